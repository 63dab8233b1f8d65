// Reads and writes records in Thrift's compact protocol as thrift.py does, ten times as fast.
//
// Damaged or unusual records (maps, numbers beyond 62 bits, deep nesting) are left to thrift.py:
// the functions return None for them.

#include "_thrift.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace compact;

// ---- Column chunks of Parquet, as in chunk_records.py

namespace chunks {
enum : std::int64_t { file_path = 1, metadata = 3, crypto = 8 };  // fields of ColumnChunk
enum : std::int64_t { type = 1, encodings, path, codec, key_values = 8, statistics = 12,
       size_statistics = 16 };
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

// Appends the types and numbers of the values of lists.
void append_counts(const std::vector<Field>& fields, std::string& found) {
    for (const Field& field : fields) {
        if (field.kind != kinds::list) continue;
        const auto [kind, count] = Reader(field.start, field.size).list_header();
        found.push_back(static_cast<char>(kind));
        found.push_back(static_cast<char>(std::min<std::uint64_t>(count, 255)));
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
        } else if (field.number == chunks::size_statistics && field.kind == kinds::structure) {
            Reader(field.start, field.size).fields(inner);
            append_fields(inner, found);
            append_counts(inner, found);
        }
    }
    return found;
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

PyMODINIT_FUNC PyInit__thrift() { return python::module_of<5>("_thrift", methods); }
