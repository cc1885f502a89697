"""A C++ file as the text checks see it: comments and literals told apart from code, functions found by
their braces. No parser; what it can't read it leaves out, and the tests say what it can."""
import dataclasses
import re

TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^()\s\\]{0,16})\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|'
    r"(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'", re.S)


def blank(text, keep_comments=False):
    """The same text, line for line, with literals (and comments) replaced by spaces between their quotes."""
    def hide(match):
        found = match.group(0)
        if found.startswith(("//", "/*")):
            return found if keep_comments else re.sub(r"[^\n]", " ", found)
        return found[0] + re.sub(r"[^\n]", " ", found[1:-1]) + found[-1]
    return TOKEN.sub(hide, text)


def comments(text):
    """(line number, text) of every comment line."""
    found = []
    for match in TOKEN.finditer(text):
        if match.group(0).startswith(("//", "/*")):
            first = text.count("\n", 0, match.start()) + 1
            found += [(first + i, line) for i, line in enumerate(match.group(0).split("\n"))]
    return found


@dataclasses.dataclass
class Function:
    name: str
    line: int
    lines: int = 0
    params: int = 0
    nesting: int = 0


TYPE = re.compile(r"\b(class|struct|union|enum)\b(?![^{]*\)\s*(const|noexcept|override|final|\s)*$)")
BLOCK_BEFORE = re.compile(r"(\)|\belse|\bdo|\btry|\bmutable|\bnoexcept|\]|->\s*[\w:<>&*, ]+)\s*$")
NAME = re.compile(r"([~\w:]+|operator\s*\S{1,3})\s*$")


def count_params(signature):
    """Parameters between the first parentheses at depth 0."""
    start = signature.find("(")
    depth, commas, inner = 0, 0, ""
    for ch in signature[start:]:
        if ch in "(<[{":
            depth += 1
        elif ch in ")>]}":
            depth -= 1
            if depth == 0:
                break
        elif ch == "," and depth == 1:
            commas += 1
        if depth >= 1:
            inner += ch
    inner = inner[1:].strip()
    return 0 if inner in ("", "void") else commas + 1


def without_directives(text):
    return re.sub(r"(?m)^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def functions(text):
    """Every function body outside other functions; lambdas count for the function around them."""
    code = blank(without_directives(text))
    found, stack, since = [], [], 0  # stack of 'open' (namespace or type), 'body', 'block', 'list'
    for match in re.finditer(r"[{};]", code):
        ch, at = match.group(0), match.start()
        inside = any(kind == "body" for kind, _ in stack)
        if ch == ";" and not inside and not code.count("(", since, at) > code.count(")", since, at):
            since = at + 1
        elif ch == "{":
            head = code[since:at].strip()
            if inside:
                kind = "block" if BLOCK_BEFORE.search(code[max(0, at - 80):at]) else "list"
            elif re.search(r"\bnamespace\b|\bextern\s*$|\bextern\s+\"", head) or TYPE.search(head):
                kind = "open"
            elif "(" in head and not re.search(r"=\s*$", head) and not unfinished_init(head):
                kind = "body"
                line = code.count("\n", 0, since + len(code[since:at]) - len(code[since:at].lstrip())) + 1
                before = NAME.search(head[:head.find("(")])
                found.append(Function(before.group(1) if before else "?", line, 0, count_params(head)))
            else:
                kind = "list"
            stack.append((kind, at))
            if kind in ("open", "body"):
                since = at + 1
            if inside and kind == "block":
                depth = sum(1 for k, _ in stack if k == "block")
                found[-1].nesting = max(found[-1].nesting, depth)
        elif ch == "}" and stack:
            kind, _ = stack.pop()
            if kind == "body":
                found[-1].lines = code.count("\n", 0, at) + 1 - found[-1].line + 1
            if kind in ("body", "open"):
                since = at + 1
    return found


def unfinished_init(head):
    """`X::X(int a) : member_` before the brace of member_{…}: a list, the body comes later."""
    tail = re.search(r"\)\s*(?:noexcept\s*)?:\s*(.*)$", head, re.S)
    return bool(tail) and bool(re.search(r"(^|,)\s*[\w:<>]+$", tail.group(1).strip()))


TEMPLATE_ARGUMENTS = re.compile(r"(?<=\w)<[\w:,\s*&]*>")


def late_trys(text):
    """Lines with a TRY that is not in the first element of the braced list around it. A brace is a list when no
    statement ends directly inside it; parentheses between the list and the TRY don't matter, a block does."""
    code, before = blank(without_directives(text)), None
    while code != before:
        before, code = code, TEMPLATE_ARGUMENTS.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), code)
    found, stack = [], []  # Of each open bracket: [itself, a comma was seen, a semicolon was seen, TRYs inside].
    for match in re.finditer(r"[({\[\]});,]|\bTRY(?=\()", code):
        ch = match.group(0)
        if ch in "({[":
            stack.append([ch, False, False, []])
        elif not stack:
            continue
        elif ch == "TRY":
            stack[-1][3].append((code.count("\n", 0, match.start()) + 1, stack[-1][1]))
        elif ch in ",;":
            stack[-1][1 if ch == "," else 2] = True
        else:
            opener, _, block, trys = stack.pop()
            if opener == "{":
                found += [line for line, late in trys if late and not block]
                trys = [(line, late) for line, late in trys if not late and not block]
            if stack:
                stack[-1][3] += [(line, stack[-1][1]) for line, _ in trys]
    return sorted(set(found))
