"""The batch script by which Slurm builds a dataset. `visinstruct engines --sbatch` prints it."""
