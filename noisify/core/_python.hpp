// What the compiled parts share of Python: errors, the lock, the memory of objects, their tables.

#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstring>
#include <new>

// The version of the NumPy that a part is linked with, as it is given, without quotes: nothing if none.
#ifndef NOISIFY_NUMPY
#define NOISIFY_NUMPY
#endif
#define NOISIFY_TEXT(...) NOISIFY_QUOTED(__VA_ARGS__)
#define NOISIFY_QUOTED(...) #__VA_ARGS__

namespace python {

// A Python error has been set.
struct Error {};

[[noreturn]] inline void fail(const char* message) {
    PyErr_SetString(PyExc_ValueError, message);
    throw Error{};
}

// Releases the interpreter's lock for as long as it lives.
class Unlocked {
public:
    Unlocked() : state_(PyEval_SaveThread()) {}
    ~Unlocked() { PyEval_RestoreThread(state_); }
    Unlocked(const Unlocked&) = delete;
    Unlocked& operator=(const Unlocked&) = delete;

private:
    PyThreadState* state_;
};

// The memory of a Python object with up to two dimensions.
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

// Calls a function that may throw as Python calls it.
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

// Makes a module of some methods. native.py says its number as well: both rise whenever the
// functions are called in another way.
template <int number>
PyObject* module_of(const char* name, PyMethodDef* methods) {
    static PyModuleDef_Slot slots[] = {
        {Py_mod_exec, reinterpret_cast<void*>(+[](PyObject* module) {
             if (PyModule_AddStringConstant(module, "NUMPY", NOISIFY_TEXT(NOISIFY_NUMPY)) != 0) return -1;
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
