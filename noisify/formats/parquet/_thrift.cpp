// Reads and writes records in Thrift's compact protocol as thrift.py does, ten times as fast.
//
// Damaged or unusual records (maps, numbers beyond 62 bits, deep nesting) are left to thrift.py:
// the functions return None for them.

#include "../../core/_python.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace {

// Wire types, as in thrift.py.
namespace kinds {
enum : int { truth = 1, falsehood, byte, i16, i32, i64, number, binary, list, set, map, structure };
constexpr int uuid = 13;
}  // namespace kinds

constexpr int most_varint_bits = 63;
constexpr int deepest = 64;
constexpr std::size_t long_list = 15;

// Thrown for records that thrift.py is to read or write.
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

bool is_integer(int kind) { return kinds::i16 <= kind && kind <= kinds::i64; }
bool is_list(int kind) { return kind == kinds::list || kind == kinds::set; }
bool is_truth(int kind) { return kind == kinds::truth || kind == kinds::falsehood; }

// Leaves numbers of fields to thrift.py whose differences would not fit.
void check_number(std::int64_t number) {
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

// ---- Column chunks of Parquet, as in chunk_records.py

namespace chunks {
enum : std::int64_t { file_path = 1, metadata = 3, crypto = 8 };  // fields of ColumnChunk
enum : std::int64_t { type = 1, encodings, path, codec, key_values = 8, statistics = 12 };
enum : Py_ssize_t { record, replaced, fault, kind, first_number };  // places in a row

// A number in a row and its field; they are in the order of their places.
struct Held {
    std::int64_t number;
    int kind;
};
constexpr std::array<Held, 8> in_metadata{{{5, kinds::i64}, {6, kinds::i64}, {7, kinds::i64},
                                           {9, kinds::i64}, {10, kinds::i64}, {11, kinds::i64},
                                           {14, kinds::i64}, {15, kinds::i32}}};
constexpr std::array<Held, 5> in_chunk{
    {{2, kinds::i64}, {4, kinds::i64}, {5, kinds::i32}, {6, kinds::i64}, {7, kinds::i32}}};
constexpr std::size_t required = 4;  // of those in metadata, the first so many
constexpr Py_ssize_t after_metadata = first_number + static_cast<Py_ssize_t>(in_metadata.size());
constexpr Py_ssize_t places = after_metadata + static_cast<Py_ssize_t>(in_chunk.size());
}  // namespace chunks

const Field* find(const std::vector<Field>& fields, std::int64_t number) {
    for (const Field& field : fields)
        if (field.number == number) return &field;
    return nullptr;
}

// Returns the fields of the ColumnMetaData in a ColumnChunk.
void metadata_fields(const std::vector<Field>& chunk, std::vector<Field>& found) {
    const Field* const metadata = find(chunk, chunks::metadata);
    if (metadata == nullptr || metadata->kind != kinds::structure) throw Unusual{};
    Reader(metadata->start, metadata->size).fields(found);
}

PyObject* none() {
    Py_INCREF(Py_None);
    return Py_None;
}

// Puts the numbers among a record's fields into a row.
template <std::size_t count>
void put_numbers(PyObject* row, Py_ssize_t place, const std::array<chunks::Held, count>& held,
                 const std::vector<Field>& fields) {
    for (const auto& [number, kind] : held) {
        const Field* const field = find(fields, number);
        if (field != nullptr && field->kind != kind) throw Unusual{};
        PyList_SetItem(row, place++,
                       field == nullptr ? none() : Owned(PyLong_FromLongLong(field->value)).release());
    }
}

void append_fields(const std::vector<Field>& fields, std::string& found) {
    for (const Field& field : fields) {
        found.push_back(static_cast<char>(field.number));
        found.push_back(static_cast<char>(field.kind));
    }
}

// Returns the type, encodings and codec of a chunk, and the numbers and types of its fields.
std::string kind_of(const std::vector<Field>& chunk, const std::vector<Field>& metadata,
                    std::vector<Field>& inner) {
    std::string found;
    append_fields(chunk, found);
    for (const Field& field : metadata) {
        found.push_back(static_cast<char>(field.number));
        found.push_back(static_cast<char>(field.kind));
        if (is_integer(field.kind)) {
            if (field.number == chunks::type || field.number == chunks::codec)
                found.push_back(static_cast<char>(field.value));
        } else if (field.number == chunks::encodings && field.kind == kinds::list) {
            found.append(field.start, field.size);
        } else if (field.number == chunks::statistics && field.kind == kinds::structure) {
            Reader(field.start, field.size).fields(inner);
            append_fields(inner, found);
        }
    }
    return found;
}

Owned bytes_of(const char* start, std::size_t size) {
    return Owned(PyBytes_FromStringAndSize(start, static_cast<Py_ssize_t>(size)));
}

// Returns the row of the ColumnChunk record that a reader is at.
Owned row_of(const char* data, Reader& reader, std::vector<Field>& chunk,
             std::vector<Field>& metadata, std::vector<Field>& inner) {
    const std::size_t start = reader.at();
    reader.fields(chunk);
    metadata_fields(chunk, metadata);
    if (find(chunk, chunks::file_path) != nullptr || find(chunk, chunks::crypto) != nullptr ||
        find(metadata, chunks::path) == nullptr)
        throw Unusual{};
    for (std::size_t at = 0; at < chunks::required; ++at)
        if (find(metadata, chunks::in_metadata[at].number) == nullptr) throw Unusual{};
    Owned row(PyList_New(chunks::places));
    PyList_SetItem(row.get(), chunks::record,
                   bytes_of(data + start, reader.at() - start).release());
    PyList_SetItem(row.get(), chunks::replaced, none());
    PyList_SetItem(row.get(), chunks::fault, none());
    const std::string kind = kind_of(chunk, metadata, inner);
    PyList_SetItem(row.get(), chunks::kind, bytes_of(kind.data(), kind.size()).release());
    put_numbers(row.get(), chunks::first_number, chunks::in_metadata, metadata);
    put_numbers(row.get(), chunks::after_metadata, chunks::in_chunk, chunk);
    return row;
}

// Replaces the numbers among a record's fields by those of a row.
template <std::size_t count>
void take_numbers(PyObject* row, Py_ssize_t place, const std::array<chunks::Held, count>& held,
                  std::vector<Field>& fields) {
    for (const auto& [number, kind] : held) {
        const auto is_held = [number = number](const Field& field) { return field.number == number; };
        const Field* const old = find(fields, number);
        if (old != nullptr && old->kind != kind) throw Unusual{};
        fields.erase(std::remove_if(fields.begin(), fields.end(), is_held), fields.end());
        PyObject* const value = PyList_GetItem(row, place++);
        if (value != Py_None)
            fields.push_back({number, kind, Writer::integer_of(value), nullptr, 0});
    }
    std::sort(fields.begin(), fields.end(),
              [](const Field& one, const Field& other) { return one.number < other.number; });
}

void put_head(Writer& writer, const Field& field, std::int64_t& last) {
    writer.head(field.number, field.kind, last);
    last = field.number;
}

void put_field(Writer& writer, const Field& field, std::int64_t& last) {
    put_head(writer, field, last);
    if (is_integer(field.kind)) {
        writer.zigzag(field.value);
    } else {
        writer.bytes(field.start, field.size);
    }
}

void fields_of(PyObject* bytes, std::vector<Field>& found) {
    if (PyBytes_Check(bytes) == 0) throw Unusual{};
    Reader(PyBytes_AsString(bytes), static_cast<std::size_t>(PyBytes_Size(bytes))).fields(found);
}

// Writes the ColumnChunk record of a row.
void put_row(Writer& writer, PyObject* row) {
    if (PyList_Check(row) == 0 || PyList_Size(row) != chunks::places) throw Unusual{};
    std::vector<Field> chunk, metadata;
    fields_of(PyList_GetItem(row, chunks::record), chunk);
    metadata_fields(chunk, metadata);
    PyObject* const replaced = PyList_GetItem(row, chunks::replaced);
    if (replaced != Py_None) {
        std::vector<Field> old;
        fields_of(replaced, chunk);
        metadata_fields(chunk, old);
        const auto is_kept = [](const Field& field) {
            return field.number == chunks::path || field.number == chunks::key_values;
        };
        metadata.erase(std::remove_if(metadata.begin(), metadata.end(), is_kept), metadata.end());
        std::copy_if(old.begin(), old.end(), std::back_inserter(metadata), is_kept);
    }
    take_numbers(row, chunks::first_number, chunks::in_metadata, metadata);
    take_numbers(row, chunks::after_metadata, chunks::in_chunk, chunk);
    std::int64_t last = 0, last_inside = 0;
    for (const Field& field : chunk) {
        if (field.number != chunks::metadata) {
            put_field(writer, field, last);
            continue;
        }
        put_head(writer, field, last);
        for (const Field& inner : metadata) put_field(writer, inner, last_inside);
        writer.put(0);
    }
    writer.put(0);
}

// ---- Python interface

template <typename Function>
PyObject* unless_unusual(const Function& function) {
    try {
        return function();
    } catch (const Unusual&) {
        Py_RETURN_NONE;
    }
}

Reader reader_at(PyObject* bytes, Py_ssize_t at, PyObject* record, PyObject* items) {
    const auto size = static_cast<std::size_t>(PyBytes_Size(bytes));
    if (at < 0 || static_cast<std::size_t>(at) > size) throw Unusual{};
    return {PyBytes_AsString(bytes), size, static_cast<std::size_t>(at), record, items};
}

// Takes (bytes, offset, depth, last field, Record, Items); returns (record, end) or None.
PyObject* read(PyObject* arguments) {
    PyObject *bytes, *record, *items;
    Py_ssize_t at;
    int depth;
    long long last;
    if (!PyArg_ParseTuple(arguments, "SniLOO", &bytes, &at, &depth, &last, &record, &items))
        throw python::Error{};
    return unless_unusual([&] {
        Reader reader = reader_at(bytes, at, record, items);
        const Owned found = reader.record(depth, last);
        return Py_BuildValue("(On)", found.get(), static_cast<Py_ssize_t>(reader.at()));
    });
}

// Takes (bytes, offset, wire type); returns the end of a value, or None.
PyObject* end(PyObject* arguments) {
    PyObject* bytes;
    Py_ssize_t at;
    int kind;
    if (!PyArg_ParseTuple(arguments, "Sni", &bytes, &at, &kind)) throw python::Error{};
    return unless_unusual([&] {
        Reader reader = reader_at(bytes, at, nullptr, nullptr);
        reader.skip(kind, deepest);
        return PyLong_FromSize_t(reader.at());
    });
}

// Takes (record); returns bytes or None.
PyObject* written(PyObject* arguments) {
    PyObject* record;
    if (!PyArg_ParseTuple(arguments, "O", &record)) throw python::Error{};
    return unless_unusual([&] {
        Writer writer;
        writer.record(record);
        const std::string& out = writer.out();
        return PyBytes_FromStringAndSize(out.data(), static_cast<Py_ssize_t>(out.size()));
    });
}

// Takes (encoded list); returns the rows of the ColumnChunk records in it, or None.
PyObject* rows_of(PyObject* arguments) {
    PyObject* bytes;
    if (!PyArg_ParseTuple(arguments, "S", &bytes)) throw python::Error{};
    return unless_unusual([&] {
        const char* const data = PyBytes_AsString(bytes);
        Reader reader(data, static_cast<std::size_t>(PyBytes_Size(bytes)));
        const auto [kind, count] = reader.list_header();
        if (kind != kinds::structure) throw Unusual{};
        Owned rows(PyList_New(0));
        std::vector<Field> chunk, metadata, inner;
        for (std::uint64_t at = 0; at < count; ++at) {
            const Owned row = row_of(data, reader, chunk, metadata, inner);
            if (PyList_Append(rows.get(), row.get()) != 0) throw python::Error{};
        }
        return rows.release();
    });
}

// Takes (rows); returns the encoded list of their ColumnChunk records, or None.
PyObject* encoded(PyObject* arguments) {
    PyObject* rows;
    if (!PyArg_ParseTuple(arguments, "O", &rows)) throw python::Error{};
    return unless_unusual([&] {
        if (PyList_Check(rows) == 0) throw Unusual{};
        const Py_ssize_t count = PyList_Size(rows);
        Writer writer;
        writer.list_head(kinds::structure, static_cast<std::size_t>(count));
        for (Py_ssize_t at = 0; at < count; ++at) put_row(writer, PyList_GetItem(rows, at));
        const std::string& out = writer.out();
        return PyBytes_FromStringAndSize(out.data(), static_cast<Py_ssize_t>(out.size()));
    });
}

PyMethodDef methods[] = {
    {"read", python::guarded<read>, METH_VARARGS, nullptr},
    {"end", python::guarded<end>, METH_VARARGS, nullptr},
    {"written", python::guarded<written>, METH_VARARGS, nullptr},
    {"rows_of", python::guarded<rows_of>, METH_VARARGS, nullptr},
    {"encoded", python::guarded<encoded>, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyMODINIT_FUNC PyInit__thrift() { return python::module_of<4>("_thrift", methods); }
