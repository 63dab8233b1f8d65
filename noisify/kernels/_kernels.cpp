// The kernels over arrays, for Python: elementary.py and sums.py do without this module where it is
// not built.

#include "../core/_python.hpp"

#include "_kernels.hpp"

#include <optional>

namespace {

// Takes (array of arguments, array to fill), both one axis of float64 of the same length.
template <double (*kernel)(double)>
PyObject* over_array(PyObject* arguments) {
    PyObject* given;
    PyObject* filled;
    if (!PyArg_ParseTuple(arguments, "OO", &given, &filled)) throw python::Error{};
    const python::Buffer from(given, "d", 1);
    const python::Buffer to(filled, "d", 1, true);
    if (from.length() != to.length()) python::fail("arrays differ in length");
    const double* const x = from.data<double>();
    double* const out = to.data<double>();
    {
        const python::Unlocked unlocked;
        const Py_ssize_t count = from.length();
        for (Py_ssize_t at = 0; at < count; ++at) out[at] = kernel(x[at]);
    }
    Py_RETURN_NONE;
}

constexpr Py_ssize_t lanes = 512;

// Returns the sum of count values, in the order that ordered_sum of sums.py defines.
template <typename Value>
double ordered_sum(Py_ssize_t count, const Value& value) {
    double total[lanes] = {};
    for (Py_ssize_t start = 0; start < count; start += lanes) {
        const Py_ssize_t here = count - start < lanes ? count - start : lanes;
        for (Py_ssize_t lane = 0; lane < here; ++lane) total[lane] += value(start + lane);
    }
    for (Py_ssize_t width = lanes / 2; width > 0; width /= 2)
        for (Py_ssize_t lane = 0; lane < width; ++lane) total[lane] += total[lane + width];
    return total[0];
}

// Returns a function that is 0 where the value does not count.
template <typename Value>
auto only(const bool* valid, const Value& value) {
    return [valid, value](Py_ssize_t at) {
        const double always = value(at);  // without a branch
        return valid[at] ? always : 0.0;
    };
}

// Takes (rows, mask of the values that count or None, their number in each row, means to fill,
// sums of squared deviations to fill).
PyObject* means_and_deviations(PyObject* arguments) {
    PyObject *given, *mask, *numbers, *filled, *filled_too;
    if (!PyArg_ParseTuple(arguments, "OOOOO", &given, &mask, &numbers, &filled, &filled_too))
        throw python::Error{};
    const python::Buffer rows(given, "d", 2);
    const python::Buffer counts(numbers, "d", 1);
    const python::Buffer means(filled, "d", 1, true);
    const python::Buffer deviations(filled_too, "d", 1, true);
    std::optional<python::Buffer> masks;
    if (mask != Py_None) masks.emplace(mask, "?", 2);
    const Py_ssize_t height = rows.length(0), width = rows.length(1);
    if (counts.length() != height || means.length() != height || deviations.length() != height ||
        (masks && (masks->length(0) != height || masks->length(1) != width)))
        python::fail("arrays differ in length");
    const double* x = rows.data<double>();
    const bool* valid = masks ? masks->data<bool>() : nullptr;
    const double* const count = counts.data<double>();
    double* const mean_of = means.data<double>();
    double* const deviation_of = deviations.data<double>();
    {
        const python::Unlocked unlocked;
        for (Py_ssize_t row = 0; row < height; ++row, x += width) {
            const auto value = [x](Py_ssize_t at) { return x[at]; };
            const auto square = [x, mean = mean_of + row](Py_ssize_t at) {
                const double deviation = x[at] - *mean;
                return deviation * deviation;
            };
            if (valid == nullptr) {
                mean_of[row] = ordered_sum(width, value) / count[row];
                deviation_of[row] = ordered_sum(width, square);
                continue;
            }
            mean_of[row] = ordered_sum(width, only(valid, value)) / count[row];
            deviation_of[row] = ordered_sum(width, only(valid, square));
            valid += width;
        }
    }
    Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"exp", python::guarded<over_array<kernels::exp>>, METH_VARARGS, nullptr},
    {"log", python::guarded<over_array<kernels::log>>, METH_VARARGS, nullptr},
    {"means_and_deviations", python::guarded<means_and_deviations>, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyMODINIT_FUNC PyInit__kernels() { return python::module_of<2>("_kernels", methods); }
