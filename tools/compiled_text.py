"""Reads what the TPU compiler writes of a program: its matrix work, its all-reduces, what it keeps, moves and estimates.

The text is XLA's own (`compiled.as_text()`), one instruction a line: `%name = type operation(%operand, ...), attributes`.
A fusion's instructions stand in a computation of their own; those of the computation ENTRY are the schedule. A layout
with `S(1)` lies in the memory on the chip (VMEM), any other in HBM; `T(8,128)` are the tiles that arrays are padded to.
"""

import math
import re

_INSTRUCTION = re.compile(r'\s+(?:ROOT )?(%[\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)', re.ASCII)
_ARRAY = re.compile(r'\b(pred|bf16|[fsu]\d+)\[([\d,]*)\](\{[^}]*\})?')
_NOT_EXECUTED = ('parameter', 'get-tuple-element', 'tuple', 'bitcast', 'constant')


def matrix_work(text):
    """What the matrix unit is given: a list of (operations, dtypes of both operands, name of the source operation).

    Operations are multiplications plus additions, with those on a convolution's padding, for one chip. On a TPU every
    matrix product is written as a convolution.
    """
    types, found = {}, []
    for line in text.splitlines():
        if match := _INSTRUCTION.match(line):
            name, type_, operation, rest = match.groups()
            types[name] = type_
            if operation in ('convolution', 'dot'):
                operands = [types[operand] for operand in _operands(rest)]
                source = re.search(r'op_name="([^"]*)"', rest)
                found.append((_operations(type_, operands[1], rest), tuple(_dtype(operand) for operand in operands),
                              source[1] if source else name))
    return found


def all_reduces(text):
    """The sums over chips: a list of (number of arrays, bytes) of each, in the order of the schedule."""
    found = (re.search(r' = (\(.*?\)|\S+) all-reduce(?:-start)?\(', line) for line in text.splitlines())
    return [(len(_ARRAY.findall(match[1])), sum(size for size, _ in _arrays(match[1]))) for match in found if match]


def given_up(text):
    """How many arguments' buffers are given up to results."""
    header = text[:text.index('\n')]
    return len(re.findall(r'\{\d*\}: \(\d+, \{\}', header))


def estimated_cycles(text):
    """Clock cycles of a step by the compiler's own estimates for the instructions of its schedule, one after the other.

    Sums over chips and copies that run beside other work have no estimate.
    """
    return sum(int(cycles) for cycles in re.findall(r'"estimated_cycles":"(\d+)"', _schedule(text)))


def hbm_bytes(text):
    """Bytes that the schedule reads from HBM and writes to it, from the sizes of what lies there; an upper estimate.

    Of a fusion that updates a slice of an array in place, the rest of that array is not counted. Where the compiler's
    `bytes accessed` has more, that is traffic with the memory on the chip.
    """
    types, total = {}, 0
    for line in _schedule(text).splitlines():
        match = _INSTRUCTION.match(line)
        if not match:
            continue
        name, type_, operation, rest = match.groups()
        types[name] = type_
        if operation in _NOT_EXECUTED or operation.endswith('-done'):
            continue
        results = list(_arrays(type_))
        if operation.endswith('-start') and not operation.startswith('all-reduce'):
            total += min((size for size, _ in results if size > 4), default=0)  # its result is (from, to, a flag)
            continue
        operands = [array for operand in _operands(rest) for array in _arrays(types.get(operand, ''))]
        if 'dynamic-update-slice' in name:
            updated = {size for size, _ in results}
            results, operands = [], 2 * [array for array in operands if array[0] not in updated]
        total += sum(size for size, on_chip in results + operands if not on_chip)
    return total


def _schedule(text):
    entry = text[text.index('\nENTRY '):]
    return entry[:entry.index('\n}')]


def _operands(rest):
    return re.findall(r'%[\w.\-]+', rest[:rest.index(')')])


def _dtype(type_):
    return _ARRAY.search(type_)[1]


def _dimensions(type_):
    return [int(number) for number in _ARRAY.search(type_)[2].split(',') if number]


def _arrays(type_):
    """(bytes, whether it lies in the memory on the chip) of each array in a type, without padding."""
    for dtype, dimensions, layout in _ARRAY.findall(type_):
        bits = 8 if dtype == 'pred' else int(re.search(r'\d+$', dtype)[0])
        yield math.prod(int(number) for number in dimensions.split(',') if number) * bits // 8, 'S(1)' in layout


def _operations(result, kernel, rest):
    """Each number of the result takes as many multiply-adds as the kernel has numbers for one of its outputs."""
    labels = re.search(r'dim_labels=\w+_(\w+)->', rest)
    if not labels:
        raise ValueError(f'a matrix product without dim_labels: {rest[:200]}')
    numbers = _dimensions(kernel)
    return 2 * math.prod(_dimensions(result)) * math.prod(numbers) // numbers[labels[1].index('o')]
