// The kernels over arrays, for Python: elementary.py does without this module where it is not built.

#include "../core/_python.hpp"

#include "_kernels.hpp"

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

PyMethodDef methods[] = {
    {"exp", python::guarded<over_array<kernels::exp>>, METH_VARARGS, nullptr},
    {"log", python::guarded<over_array<kernels::log>>, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyMODINIT_FUNC PyInit__kernels() { return python::module_of<1>("_kernels", methods); }
