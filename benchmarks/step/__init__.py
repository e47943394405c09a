"""Who makes an optimizer step, and what it is made on."""
