"""A network as an ONNX graph: the operations that JAX traces, one by one, with the batch left open.

Only the operations that the project's networks consist of are known; another one raises NotImplementedError. What depends on
parameters alone is computed here, and what float16 holds exactly is stored in it.
"""

import string

import jax
import jax.export
import numpy as np
import onnx
from onnx import helper, numpy_helper

from gln_jax.models import convolutions

OPSET = 17
SMALL = 1000  # numbers of a constant from which on storing it in 16 bits is worth the cast

ELEMENTWISE = {'add': 'Add', 'sub': 'Sub', 'mul': 'Mul', 'div': 'Div', 'max': 'Max', 'min': 'Min', 'neg': 'Neg', 'log': 'Log'}


def model(function, inputs, outputs, metadata):
    """The bytes of an ONNX model of `function`, all of whose arguments and results are float32.

    Args:
        inputs: {name: shape} of its arguments; 'n' is a size that stays open.
        outputs: names of its results, of which it gives a tuple.
        metadata: dict of texts that the file carries.
    """
    n, = jax.export.symbolic_shape('n')
    with convolutions.traced_in('direct'):
        traced = jax.make_jaxpr(function)(*(
            jax.ShapeDtypeStruct([n if size == 'n' else size for size in shape], np.float32) for shape in inputs.values()))
    graph = _Graph()
    for name, result in zip(outputs, graph.follow(traced.jaxpr, traced.consts, inputs), strict=True):
        graph.nodes.append(helper.make_node('Identity', [result], [name]))
    results = {name: [size if isinstance(size, int) else 'n' for size in each.shape] for name, each in zip(outputs, traced.out_avals)}
    ends = [[helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in each.items()]
            for each in (inputs, results)]
    whole = helper.make_model(helper.make_graph(graph.needed(outputs), 'gln_jax', *ends, graph.initializers),
                              opset_imports=[helper.make_opsetid('', OPSET)], ir_version=8, producer_name='gln_jax')
    helper.set_model_props(whole, metadata)
    onnx.checker.check_model(whole, full_check=True)
    return whole.SerializeToString()


class _Graph:
    """Nodes as they come up. A value is the name of a tensor, a str, or an array that is known already."""

    def __init__(self):
        self.nodes, self.initializers = [], []
        self._transposes = {}  # {name: (what was transposed, its axes)}
        self._ones = set()  # names of tensors that are of size 1 along axes where JAX has repeated them

    def needed(self, outputs):
        """The nodes on which these outputs depend; onnxruntime would compute the others too."""
        names, found = set(outputs), []
        for node in reversed(self.nodes):
            if names.intersection(node.output):
                names.update(node.input)
                found.append(node)
        return found[::-1]

    def follow(self, jaxpr, constants, arguments):
        """The values of a jaxpr's results."""
        known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *arguments], strict=True))
        for equation in jaxpr.eqns:
            values = [each.val if hasattr(each, 'val') else known[each] for each in equation.invars]
            known.update(zip(equation.outvars, self._results(equation, values), strict=True))
        return [known[each] for each in jaxpr.outvars]

    def _results(self, equation, values):
        name, params = equation.primitive.name, equation.params
        inner = params.get('call_jaxpr', params.get('jaxpr'))
        if inner is not None:
            return self.follow(inner.jaxpr, inner.consts, values)
        is_known = not any(isinstance(value, str) for value in values)
        if is_known and all(isinstance(size, int) for each in equation.outvars for size in each.aval.shape):
            found = equation.primitive.bind(*values, **params)
            return found if equation.primitive.multiple_results else [found]
        if name not in ELEMENTWISE | {'broadcast_in_dim': ''} and self._ones.intersection(
                value for value in values if isinstance(value, str)):
            raise NotImplementedError(f'{name} of what was repeated')
        if name in ELEMENTWISE:
            return [self._elementwise(name, values)]
        if not hasattr(self, f'_{name}'):
            raise NotImplementedError(f'consists of operations such as {name} that are not known for ONNX')
        return [getattr(self, f'_{name}')(equation, *values)]

    def add(self, operation, *values, **attributes):
        """The name of what a new node gives of names and arrays."""
        name = f'{operation}_{len(self.nodes)}'
        inputs = [value if isinstance(value, str) else self._constant(value) for value in values]
        self.nodes.append(helper.make_node(operation, inputs, [name], name=name, **attributes))
        return name

    def _constant(self, value):
        value = np.asarray(value)
        name = f'constant_{len(self.initializers)}'
        half = value.astype(np.float16) if value.dtype == np.float32 and value.size > SMALL else None
        is_exact = half is not None and (half == value).all()
        self.initializers.append(numpy_helper.from_array(half if is_exact else value, name))
        return self.add('Cast', name, to=onnx.TensorProto.FLOAT) if is_exact else name

    def _elementwise(self, name, values):
        if name == 'max' and not isinstance(values[1], str) and not np.any(values[1]):
            return self.add('Relu', values[0])
        return self.add(ELEMENTWISE[name], *values)

    def _reshape(self, equation, value):
        return self.add('Reshape', value, _sizes(equation.params['new_sizes']))

    def _squeeze(self, equation, value):
        return self.add('Squeeze', value, np.array(equation.params['dimensions'], np.int64))

    def _convert_element_type(self, equation, value):
        return self.add('Cast', value, to=helper.np_dtype_to_tensor_dtype(np.dtype(equation.params['new_dtype'])))

    def _copy(self, equation, value):
        return value

    def _transpose(self, equation, value):
        return self._transposed(value, equation.params['permutation'])

    def _transposed(self, value, axes):
        """A tensor with its axes in this order; what was transposed before is transposed once, or not at all."""
        value, before = self._transposes.get(value, (value, range(len(axes))))
        axes = [int(before[axis]) for axis in axes]
        if axes == sorted(axes):
            return value
        name = self.add('Transpose', value, perm=axes)
        self._transposes[name] = value, axes
        return name

    def _reduce_sum(self, equation, value):
        return self.add('ReduceSum', value, np.array(equation.params['axes'], np.int64), keepdims=0)

    def _integer_pow(self, equation, value):
        return self.add('Pow', value, np.float32(equation.params['y']))

    def _concatenate(self, equation, *values):
        return self.add('Concat', *values, axis=equation.params['dimension'])

    def _slice(self, equation, value):
        starts, limits, steps = (equation.params[name] for name in ('start_indices', 'limit_indices', 'strides'))
        return self._cut(value, starts, limits, steps or [1] * len(starts))

    def _gather(self, equation, value, indices):
        """A slice, which is what JAX makes a gather of where a size is open."""
        numbers, sizes = equation.params['dimension_numbers'], equation.params['slice_sizes']
        if isinstance(indices, str) or np.ndim(indices) != 1 or numbers.collapsed_slice_dims:
            raise NotImplementedError('a gather that is no slice')
        starts = np.zeros(len(sizes), int)
        starts[list(numbers.start_index_map)] = indices
        return self._cut(value, starts, [start + size for start, size in zip(starts, sizes)], [1] * len(sizes))

    def _cut(self, value, starts, limits, steps):
        axes = [axis for axis, limit in enumerate(limits) if isinstance(limit, (int, np.integer))]  # not the open batch
        chosen = [[each[axis] for axis in axes] for each in (starts, limits, range(len(limits)), steps)]
        return self.add('Slice', value, *(np.array(each, np.int64) for each in chosen))

    def _broadcast_in_dim(self, equation, value):
        """The value with axes of size 1 in the new places; ONNX's arithmetic repeats it along these itself."""
        sizes = dict(zip(equation.params['broadcast_dimensions'], equation.invars[0].aval.shape))
        shape = [sizes.get(axis, 1) for axis in range(len(equation.params['shape']))]
        if not isinstance(value, str):
            return np.reshape(value, shape)
        found = self.add('Reshape', value, _sizes(shape))
        if tuple(shape) != tuple(equation.params['shape']):
            self._ones.add(found)
        return found

    def _dot_general(self, equation, left, right):
        (contracted, batch), letters = equation.params['dimension_numbers'], iter(string.ascii_lowercase)
        names = [[''] * len(each.aval.shape) for each in equation.invars]
        for pair in [*zip(*batch), *zip(*contracted)]:
            names[0][pair[0]] = names[1][pair[1]] = next(letters)
        names = [[letter or next(letters) for letter in each] for each in names]
        shared = [names[0][axis] for axis in (*batch[0], *contracted[0])]
        result = [names[0][axis] for axis in batch[0]] + [letter for each in names for letter in each if letter not in shared]
        if contracted == ((1,), (0,)) and not batch[0] and max(map(len, names)) == 2:
            return self.add('MatMul', left, right)
        return self.add('Einsum', left, right, equation=f'{"".join(names[0])},{"".join(names[1])}->{"".join(result)}')

    def _conv_general_dilated(self, equation, maps, kernel):
        if set(equation.params['lhs_dilation']) != {1} or equation.params['batch_group_count'] != 1:
            raise NotImplementedError('a transposed convolution')
        of_maps, of_kernel, of_result = equation.params['dimension_numbers']
        first, last = zip(*equation.params['padding'])
        kernel = self._transposed(kernel, of_kernel) if isinstance(kernel, str) else np.transpose(kernel, of_kernel)
        found = self.add('Conv', self._transposed(maps, of_maps), kernel,
                         pads=first + last, strides=equation.params['window_strides'], dilations=equation.params['rhs_dilation'],
                         group=equation.params['feature_group_count'])
        return self._transposed(found, np.argsort(of_result))


def _sizes(shape):
    """Of a shape in which at most one size is open, as Reshape takes it."""
    return np.array([size if isinstance(size, int) else -1 for size in shape], np.int64)
