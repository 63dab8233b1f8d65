// Shared by the compiled parts: Python errors, the interpreter lock, buffers and module creation.

#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstring>
#include <new>

namespace python {

// Thrown after a Python error has been set.
struct Error {};

[[noreturn]] inline void fail(const char* message) {
    PyErr_SetString(PyExc_ValueError, message);
    throw Error{};
}

// Releases the interpreter lock during its lifetime.
class Unlocked {
public:
    Unlocked() : state_(PyEval_SaveThread()) {}
    ~Unlocked() { PyEval_RestoreThread(state_); }
    Unlocked(const Unlocked&) = delete;
    Unlocked& operator=(const Unlocked&) = delete;

private:
    PyThreadState* state_;
};

// The buffer of a Python object with up to two dimensions.
class Buffer {
public:
    Buffer(PyObject* object, const char* formats, int dimensions, bool writable = false,
           const char* otherwise = "an array has another type or shape than expected") {
        const int flags = PyBUF_STRIDES | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
        if (PyObject_GetBuffer(object, &view_, flags) != 0) throw Error{};
        const char* format = view_.format == nullptr ? "B" : view_.format;
        if (view_.ndim != dimensions || std::strlen(format) != 1 ||
            std::strchr(formats, *format) == nullptr) {
            PyBuffer_Release(&view_);
            fail(otherwise);
        }
    }
    Buffer(const Buffer&) = delete;  // nor moved: a view can point into itself
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { PyBuffer_Release(&view_); }

    Py_ssize_t length(int axis = 0) const { return view_.shape[axis]; }
    Py_ssize_t itemsize() const { return view_.itemsize; }
    char format() const { return view_.format == nullptr ? 'B' : *view_.format; }
    bool contiguous() const { return PyBuffer_IsContiguous(&view_, 'C') != 0; }
    template <typename T>
    T* data() const {
        if (!contiguous() || view_.itemsize != static_cast<Py_ssize_t>(sizeof(T)))
            fail("an array is not laid out as expected");
        return static_cast<T*>(view_.buf);
    }
    const char* bytes() const { return static_cast<const char*>(view_.buf); }
    Py_ssize_t stride(int axis) const { return view_.strides[axis]; }

private:
    Py_buffer view_;
};

// Wraps a function that may throw for calls from Python.
template <PyObject* (*function)(PyObject*)>
PyObject* guarded(PyObject*, PyObject* arguments) {
    try {
        return function(arguments);
    } catch (const Error&) {
        return nullptr;
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    }
}

// Creates a module from methods. Its interface version is also in native.py; increase both
// whenever a signature changes. Static: parts of one number must not share the definition, as the
// local variables of templates are shared between the libraries of a process.
template <int number>
static PyObject* module_of(const char* name, PyMethodDef* methods) {
    static PyModuleDef_Slot slots[] = {
        {Py_mod_exec, reinterpret_cast<void*>(+[](PyObject* module) {
             return PyModule_AddIntConstant(module, "INTERFACE", number);
         })},
#ifdef Py_GIL_DISABLED
        {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
        {0, nullptr},
    };
    static PyModuleDef definition = {
        PyModuleDef_HEAD_INIT, name, nullptr, 0, methods, slots, nullptr, nullptr, nullptr,
    };
    return PyModuleDef_Init(&definition);
}

}  // namespace python
