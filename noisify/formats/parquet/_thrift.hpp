// Reads and writes records in Thrift's compact protocol: shared by _thrift.cpp and _pages.cpp.

#pragma once

#include "../../core/_python.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace compact {

// Wire types, as in thrift.py.
namespace kinds {
enum : int { truth = 1, falsehood, byte, i16, i32, i64, number, binary, list, set, map, structure };
constexpr int uuid = 13;
}  // namespace kinds

constexpr int most_varint_bits = 63;
constexpr int deepest = 64;
constexpr std::size_t long_list = 15;

// Thrown for data that are left to the slower ways in Python.
struct Unusual {};

// A reference to a Python object; throws if the call that makes it has failed.
class Owned {
public:
    explicit Owned(PyObject* object) : object_(object) {
        if (object == nullptr) throw python::Error{};
    }
    Owned(Owned&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    ~Owned() { Py_XDECREF(object_); }
    PyObject* get() const { return object_; }
    PyObject* release() { return std::exchange(object_, nullptr); }

private:
    PyObject* object_;
};

inline bool is_integer(int kind) { return kinds::i16 <= kind && kind <= kinds::i64; }
inline bool is_list(int kind) { return kind == kinds::list || kind == kinds::set; }
inline bool is_truth(int kind) { return kind == kinds::truth || kind == kinds::falsehood; }

// Leaves numbers of fields to thrift.py whose differences would not fit.
inline void check_number(std::int64_t number) {
    if (number > INT32_MAX || number < INT32_MIN) throw Unusual{};
}

// A field of a record, its value encoded or, for integers, as a number.
struct Field {
    std::int64_t number;
    int kind;
    std::int64_t value;
    const char* start;
    std::size_t size;
};

inline const Field* find(const std::vector<Field>& fields, std::int64_t number) {
    for (const Field& field : fields)
        if (field.number == number) return &field;
    return nullptr;
}

inline Owned bytes_of(const char* start, std::size_t size) {
    return Owned(PyBytes_FromStringAndSize(start, static_cast<Py_ssize_t>(size)));
}

// ---- Reading

class Reader {
public:
    Reader(const char* data, std::size_t size) : Reader(data, size, 0, nullptr, nullptr) {}
    Reader(const char* data, std::size_t size, std::size_t at, PyObject* record, PyObject* items)
        : data_(data), size_(size), at_(at), record_(record), items_(items) {}

    std::size_t at() const { return at_; }

    // Reads the fields of a record up to the number `last`.
    Owned record(int depth, std::int64_t last = INT64_MAX) {
        Owned fields(PyDict_New());
        std::int64_t number = 0;
        while (const unsigned head = byte()) {
            const int kind = static_cast<int>(head & 15);
            number = head > 15 ? number + static_cast<std::int64_t>(head >> 4) : zigzag();
            check_number(number);
            if (number > last) break;
            const Owned key(PyLong_FromLongLong(number));
            const Owned pair(PyTuple_New(2));
            PyTuple_SetItem(pair.get(), 0, Owned(PyLong_FromLong(kind)).release());
            PyTuple_SetItem(pair.get(), 1, value(kind, depth).release());
            if (PyDict_SetItem(fields.get(), key.get(), pair.get()) != 0) throw python::Error{};
        }
        return Owned(PyObject_CallFunctionObjArgs(record_, fields.get(), nullptr));
    }

    // Finds the fields of a record; their numbers must be positive and ascend.
    void fields(std::vector<Field>& found) {
        found.clear();
        std::int64_t number = 0;
        while (const unsigned head = byte()) {
            const std::int64_t last = number;
            number = head > 15 ? number + static_cast<std::int64_t>(head >> 4) : zigzag();
            check_number(number);
            if (number <= last) throw Unusual{};
            Field field{number, static_cast<int>(head & 15), 0, data_ + at_, 0};
            if (is_integer(field.kind)) {
                field.value = zigzag();
            } else if (!is_truth(field.kind)) {
                skip(field.kind, deepest);
                field.size = static_cast<std::size_t>(data_ + at_ - field.start);
            }
            found.push_back(field);
        }
    }

    std::pair<int, std::uint64_t> list_header() {
        const unsigned head = byte();
        const std::uint64_t count = head >> 4;
        return {static_cast<int>(head & 15), count == long_list ? varint() : count};
    }

    // Passes over a value.
    void skip(int kind, int levels) {
        if (levels == 0) throw Unusual{};
        if (is_integer(kind)) {
            while (byte() > 127) {}
        } else if (kind == kinds::binary) {
            pass(varint());
        } else if (kind == kinds::structure) {
            while (const unsigned head = byte()) {
                if (head < 16) skip(kinds::i16, levels);
                const int inner = static_cast<int>(head & 15);
                if (!is_truth(inner)) skip(inner, levels - 1);
            }
        } else if (is_list(kind)) {
            const auto [inner, count] = list_header();
            const bool truths = is_truth(inner);
            if (truths) pass(count);
            for (std::uint64_t at = 0; at < count && !truths; ++at) skip(inner, levels - 1);
        } else {
            pass(fixed_size(kind));
        }
    }

private:
    unsigned byte() {
        if (at_ >= size_) throw Unusual{};
        return static_cast<unsigned char>(data_[at_++]);
    }

    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (int shift = 0; shift < most_varint_bits; shift += 7) {
            const unsigned next = byte();
            value |= static_cast<std::uint64_t>(next & 127) << shift;
            if (next < 128) return value;
        }
        throw Unusual{};
    }

    std::int64_t zigzag() {
        const std::uint64_t value = varint();
        return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
    }

    Owned bytes(std::uint64_t count) {
        const char* const start = data_ + at_;
        pass(count);
        return Owned(PyBytes_FromStringAndSize(start, static_cast<Py_ssize_t>(count)));
    }

    void pass(std::uint64_t count) {
        if (count > size_ - at_) throw Unusual{};
        at_ += static_cast<std::size_t>(count);
    }

    static std::uint64_t fixed_size(int kind) {
        if (kind == kinds::byte) return 1;
        if (kind == kinds::number) return 8;
        if (kind == kinds::uuid) return 16;
        throw Unusual{};
    }

    Owned value(int kind, int depth) {
        if (is_integer(kind)) return Owned(PyLong_FromLongLong(zigzag()));
        if (is_truth(kind)) return Owned(PyBool_FromLong(kind == kinds::truth));
        if (kind == kinds::binary) return bytes(varint());
        if (kind != kinds::structure && !is_list(kind)) return bytes(fixed_size(kind));
        if (depth <= 0) {
            const std::size_t start = at_;
            skip(kind, deepest);
            return Owned(PyBytes_FromStringAndSize(data_ + start,
                                                   static_cast<Py_ssize_t>(at_ - start)));
        }
        return kind == kinds::structure ? record(depth - 1) : list(depth);
    }

    Owned list(int depth) {
        const auto [kind, count] = list_header();
        const Owned values(PyList_New(0));
        for (std::uint64_t at = 0; at < count; ++at) {
            const int inner = kind == kinds::structure ? depth : depth - 1;
            const Owned one =
                is_truth(kind) ? Owned(PyBool_FromLong(byte() == 1)) : value(kind, inner);
            if (PyList_Append(values.get(), one.get()) != 0) throw python::Error{};
        }
        const Owned inner(PyLong_FromLong(kind));
        return Owned(PyObject_CallFunctionObjArgs(items_, inner.get(), values.get(), nullptr));
    }

    const char* data_;
    std::size_t size_;
    std::size_t at_;
    PyObject* record_;
    PyObject* items_;
};

// ---- Writing

class Writer {
public:
    const std::string& out() const { return out_; }

    void record(PyObject* record, int levels = deepest) {
        if (levels == 0) throw Unusual{};
        const Owned fields(PyObject_GetAttrString(record, "fields"));
        std::vector<std::pair<long long, PyObject*>> sorted;
        PyObject *key, *pair;
        for (Py_ssize_t at = 0; PyDict_Next(fields.get(), &at, &key, &pair) != 0;)
            sorted.emplace_back(integer_of(key), pair);
        std::sort(sorted.begin(), sorted.end());
        long long last = 0;
        for (const auto& [number, field] : sorted) {
            check_number(number);
            int kind = static_cast<int>(integer_of(PyTuple_GetItem(field, 0)));
            PyObject* const held = PyTuple_GetItem(field, 1);
            const bool truth = is_truth(kind);
            if (truth) kind = PyObject_IsTrue(held) != 0 ? kinds::truth : kinds::falsehood;
            head(number, kind, last);
            if (!truth) value(kind, held, levels);
            last = number;
        }
        put(0);
    }

    // Starts a list.
    void list_head(int kind, std::size_t count) {
        put(static_cast<unsigned>(std::min(count, long_list) << 4) | static_cast<unsigned>(kind));
        if (count >= long_list) varint(count);
    }

    // Starts a field of a record, after the field `last`.
    void head(long long number, int kind, long long last) {
        if (last < number && number - last <= 15) {
            put(static_cast<unsigned>((number - last) << 4) | static_cast<unsigned>(kind));
        } else {
            put(static_cast<unsigned>(kind));
            zigzag(number);
        }
    }

    void put(unsigned byte) { out_.push_back(static_cast<char>(byte)); }

    void bytes(const char* start, std::size_t size) { out_.append(start, size); }

    void zigzag(long long value) {
        varint(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
    }

    // Writes bytes after their number.
    void sized(const std::string& text) {
        varint(text.size());
        out_ += text;
    }

    // Writes a field that holds bytes, after the field `last`.
    void text(long long number, const char* start, std::size_t size, long long last) {
        head(number, kinds::binary, last);
        varint(size);
        out_.append(start, size);
    }

    static long long integer_of(PyObject* object) {
        if (object == nullptr) throw python::Error{};
        if (PyLong_Check(object) == 0) throw Unusual{};
        int overflow = 0;
        const long long found = PyLong_AsLongLongAndOverflow(object, &overflow);
        if (overflow != 0) throw Unusual{};
        return found;
    }

private:
    void varint(std::uint64_t value) {
        for (; value > 127; value >>= 7) put(static_cast<unsigned>(value & 127) | 128);
        put(static_cast<unsigned>(value));
    }

    void value(int kind, PyObject* held, int levels) {
        if (is_integer(kind)) {
            zigzag(integer_of(held));
        } else if (PyBytes_Check(held) != 0) {  // also nested values that were not parsed
            const auto size = static_cast<std::size_t>(PyBytes_Size(held));
            if (kind == kinds::binary) varint(size);
            out_.append(PyBytes_AsString(held), size);
        } else if (kind == kinds::structure) {
            record(held, levels - 1);
        } else if (is_list(kind)) {
            list(held, levels);
        } else if (is_truth(kind)) {
            put(PyObject_IsTrue(held) != 0 ? kinds::truth : kinds::falsehood);
        } else {
            throw Unusual{};
        }
    }

    void list(PyObject* items, int levels) {
        const Owned kind(PyObject_GetAttrString(items, "kind"));
        const Owned values(PyObject_GetAttrString(items, "values"));
        if (PyList_Check(values.get()) == 0) throw Unusual{};
        const auto inner = static_cast<int>(integer_of(kind.get()));
        const auto count = static_cast<std::size_t>(PyList_Size(values.get()));
        list_head(inner, count);
        for (std::size_t at = 0; at < count; ++at)
            value(inner, PyList_GetItem(values.get(), static_cast<Py_ssize_t>(at)), levels);
    }

    std::string out_;
};

}  // namespace compact
