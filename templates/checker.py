"""Check of a template's syntax tree against the closed language; finds the fields that it needs.

Every expression has a kind: that of a field (`FieldKind`), or, inside templates only, "turn", "number"
or "loop". Knowing the kinds, the checker refuses what would fail or print nonsense on some example.
"""

from collections.abc import Mapping, Sequence

from jinja2 import nodes

from templates.errors import UnsupportedSyntaxError
from templates.tasks import TURN_KEYS, FieldKind

MAX_JOIN_CHARS = 16
MAX_NUMBER = 65_536
MAX_DEPTH = 32
"""Of the syntax tree. Jinja's compiler takes cubic time in it, and Python's has limits of its own."""

LOOP_VALUES = {"first": "flag", "last": "flag", "index": "number", "index0": "number"}
TEXT_FILTERS = ("lower", "upper", "capitalize", "trim")
LIST_FILTERS = ("join", "lettered", "first", "last", "length")
ALLOWED = (
    "allowed are text, fields, if/else, for over a field, indexing, "
    f"the filters {', '.join(TEXT_FILTERS + LIST_FILTERS)}, the test defined"
)


def check(
    tree: nodes.Template, fields: Mapping[str, FieldKind]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the fields that the template requires, and those that it can do without.

    Raises:
        UnsupportedSyntaxError: a construct is outside the closed language, or a name is no field.
        RecursionError: the template is nested too deeply.
    """
    if _depth(tree) > MAX_DEPTH:
        raise RecursionError
    checker = _Checker(fields)
    checker.body(tree.body, frozenset(), {})
    required = frozenset(checker.required)
    return required, frozenset(checker.seen) - required


def _depth(node: nodes.Node) -> int:
    return 1 + max((_depth(child) for child in node.iter_child_nodes()), default=0)


class _Checker:
    """Walks a syntax tree once.

    `present` are the fields that an enclosing condition has found present, `local` the kinds of loop
    variables.
    """

    def __init__(self, fields: Mapping[str, FieldKind]) -> None:
        self.fields = fields
        self.required: set[str] = set()
        self.seen: set[str] = set()

    def body(
        self,
        body: Sequence[nodes.Node],
        present: frozenset[str],
        local: Mapping[str, str],
    ) -> None:
        for node in body:
            match node:
                case nodes.Output():
                    for part in node.nodes:
                        self._printed(part, present, local)
                case nodes.If():
                    self._branches(node, present, local)
                case nodes.For():
                    self._loop(node, present, local)
                case _:
                    raise _refused(node)

    def _printed(self, node: nodes.Node, present: frozenset[str], local: Mapping[str, str]) -> None:
        if isinstance(node, nodes.TemplateData):
            return
        kind = self.kind(node, present, local)
        if kind in ("text", "number"):
            return
        name = node.name if isinstance(node, nodes.Name) else None
        remedy = {
            "list": "write {{ name | join(', ') }} or {{ name | lettered }}",
            "turns": "loop over it: {% for turn in name %}{{ turn['question'] }}{% endfor %}",
            "turn": "print turn['question'] or turn['answer']",
            "flag": "write {{ 'yes' if name else 'no' }}",
            "loop": "print loop.index or loop.index0",
        }[kind]
        subject = name or "expression"
        raise UnsupportedSyntaxError(
            f"{subject!r} is a {kind} and cannot be printed", remedy.replace("name", subject), name
        )

    def _branches(self, node: nodes.If, present: frozenset[str], local: Mapping[str, str]) -> None:
        self.condition(node.test, present, local)
        self.body(node.body, present | _known(node.test, True), local)
        otherwise = present | _known(node.test, False)
        for branch in node.elif_:
            self.condition(branch.test, otherwise, local)
            self.body(branch.body, otherwise | _known(branch.test, True), local)
            otherwise |= _known(branch.test, False)
        self.body(node.else_, otherwise, local)

    def _loop(self, node: nodes.For, present: frozenset[str], local: Mapping[str, str]) -> None:
        if "loop" in local:
            raise UnsupportedSyntaxError("a loop inside a loop", "loop over one field at a time")
        if node.test or node.recursive or not isinstance(node.target, nodes.Name):
            raise UnsupportedSyntaxError(
                "a loop with a filter, unpacking or recursion", "write {% for item in field %}"
            )
        if node.target.name in self.fields or node.target.name == "loop":
            raise UnsupportedSyntaxError(
                f"loop variable {node.target.name!r} hides a field", "give it another name"
            )
        if isinstance(node.iter, nodes.Const | nodes.List | nodes.Tuple | nodes.Call):
            raise UnsupportedSyntaxError(
                "a loop over something that is no field", "loop over a list field"
            )
        kind = self.kind(node.iter, present, local)
        if kind not in ("list", "turns"):
            raise UnsupportedSyntaxError(f"a loop over a {kind}", "loop over a list field")
        inner = {**local, node.target.name: "text" if kind == "list" else "turn", "loop": "loop"}
        self.body(node.body, present, inner)
        self.body(node.else_, present, local)

    def condition(
        self, node: nodes.Node, present: frozenset[str], local: Mapping[str, str]
    ) -> None:
        match node:
            case nodes.Name() if node.name in self.fields and node.name not in local:
                if self.fields[node.name] is FieldKind.FLAG:  # False is a value, not an absence
                    self.kind(node, present, local)
                else:
                    self.seen.add(node.name)
            case nodes.Test(name="defined", node=nodes.Name() as inner):
                self.condition(inner, present, local)
            case nodes.Not():
                self.condition(node.node, present, local)
            case nodes.And():
                self.condition(node.left, present, local)
                self.condition(node.right, present | _known(node.left, True), local)
            case nodes.Or():
                self.condition(node.left, present, local)
                self.condition(node.right, present | _known(node.left, False), local)
            case nodes.Compare(ops=[nodes.Operand(op="eq" | "ne" | "lt" | "lteq" | "gt" | "gteq")]):
                left = self.kind(node.expr, present, local)
                right = self.kind(node.ops[0].expr, present, local)
                if left != right or left not in ("text", "number"):
                    raise UnsupportedSyntaxError(
                        f"a {left} compared with a {right}", "compare two texts or two numbers"
                    )
            case _:
                self.kind(node, present, local)

    def kind(self, node: nodes.Node, present: frozenset[str], local: Mapping[str, str]) -> str:
        """Return the kind of an expression's value."""
        match node:
            case nodes.Name():
                return self._name(node, present, local)
            case nodes.Const(value=str()):
                return "text"
            case nodes.Const() if _is_number(node):
                return "number"
            case nodes.CondExpr(expr2=nodes.Expr() as otherwise):
                self.condition(node.test, present, local)
                chosen = self.kind(node.expr1, present | _known(node.test, True), local)
                other = self.kind(otherwise, present | _known(node.test, False), local)
                if chosen != other:
                    raise UnsupportedSyntaxError(
                        f"one branch is a {chosen}, the other a {other}", "make both the same"
                    )
                return chosen
            case nodes.Filter(node=nodes.Expr() as inner):
                return _filtered(node, self.kind(inner, present, local))
            case nodes.Getitem():
                return _indexed(node, self.kind(node.node, present, local))
            case nodes.Getattr(node=nodes.Name(name="loop")) if local.get("loop") == "loop":
                if node.attr in LOOP_VALUES:
                    return LOOP_VALUES[node.attr]
        raise _refused(node)

    def _name(self, node: nodes.Name, present: frozenset[str], local: Mapping[str, str]) -> str:
        if node.name in local:
            return local[node.name]
        if node.name not in self.fields:
            raise UnsupportedSyntaxError(
                f"unknown field {node.name!r}",
                f"this task has {', '.join(sorted(self.fields))}",
                node.name,
            )
        self.seen.add(node.name)
        if node.name not in present:
            self.required.add(node.name)
        return self.fields[node.name].value


def _known(test: nodes.Node, outcome: bool) -> frozenset[str]:
    """Return the fields that are certainly present where `test` evaluates to `outcome`."""
    match test:
        case nodes.Name():
            return frozenset([test.name]) if outcome else frozenset()
        case nodes.Test(name="defined", node=nodes.Name() as inner):
            return _known(inner, outcome)
        case nodes.Not():
            return _known(test.node, not outcome)
        case nodes.And() | nodes.Or():
            left, right = _known(test.left, outcome), _known(test.right, outcome)
            return left | right if isinstance(test, nodes.And) == outcome else left & right
    return frozenset()


def _filtered(node: nodes.Filter, kind: str) -> str:
    name, arguments = node.name, node.args
    if node.kwargs or node.dyn_args or node.dyn_kwargs:
        raise UnsupportedSyntaxError(f"named arguments of filter {name!r}", ALLOWED)
    if name in TEXT_FILTERS and kind == "text" and not arguments:
        return "text"
    if name in LIST_FILTERS and kind == "list":
        if name == "join":
            match arguments:
                case [nodes.Const(value=str() as separator)] if len(separator) <= MAX_JOIN_CHARS:
                    return "text"
            raise UnsupportedSyntaxError(
                "join needs one short separator",
                f"write join(', '), at most {MAX_JOIN_CHARS} characters",
            )
        if not arguments:
            return "number" if name == "length" else "text"
    if name == "length" and kind == "turns" and not arguments:
        return "number"
    if name in TEXT_FILTERS + LIST_FILTERS:
        raise UnsupportedSyntaxError(
            f"filter {name!r} cannot be used on a {kind} like this", ALLOWED
        )
    raise UnsupportedSyntaxError(f"filter {name!r} is not allowed", ALLOWED)


def _indexed(node: nodes.Getitem, kind: str) -> str:
    match node.arg, kind:
        case nodes.Const(value=str() as key), "turn" if key in TURN_KEYS:
            return "text"
        case index, "list" | "turns" if _is_number(index):
            return "text" if kind == "list" else "turn"
        case nodes.Slice(step=None), "list" | "turns" if all(
            end is None or _is_number(end) for end in (node.arg.start, node.arg.stop)
        ):
            return kind
    raise UnsupportedSyntaxError(
        f"this index on a {kind} is not allowed",
        "index a list by number or slice, a turn by 'question' or 'answer'",
    )


def _is_number(node: nodes.Node) -> bool:
    match node:
        case nodes.Neg():
            return _is_number(node.node)
        case nodes.Const(value=int() as value) if not isinstance(value, bool):
            return value <= MAX_NUMBER
    return False


def _refused(node: nodes.Node) -> UnsupportedSyntaxError:
    match node:
        case nodes.Const():
            what = f"a constant that is neither text nor a number up to {MAX_NUMBER}"
        case nodes.Getattr():
            what = f"attribute access .{node.attr}"
        case nodes.Call():
            what = "a call"
        case nodes.Import() | nodes.FromImport() | nodes.Include() | nodes.Extends():
            what = "an import"
        case nodes.BinExpr():
            what = f"arithmetic ({node.operator})"
        case nodes.Test():
            what = f"test {node.name!r}"
        case _:
            what = f"the construct {type(node).__name__}"
    return UnsupportedSyntaxError(f"{what} is not allowed", ALLOWED)
