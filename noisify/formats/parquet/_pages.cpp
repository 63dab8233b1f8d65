// Decodes and encodes small column chunks of plain numbers: one data page, no nesting.
//
// The arrays and the bytes are those of Arrow's reader and writer, which take ten times as long to
// set themselves up for each chunk. Pages that are damaged, have checksums, or use other encodings
// are left to Arrow: the functions here say so instead of reporting what is wrong.

#include "_thrift.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace compact;

// Numbers of parquet.thrift.
namespace types {
enum : int { int32 = 1, int64 = 2, float32 = 4, float64 = 5 };
}
namespace pages {
enum : std::int64_t { data = 0, dictionary = 2, data_2 = 3 };
enum : std::int64_t { type = 1, uncompressed, compressed, in_data = 5, in_dictionary = 7, in_data_2 };
}  // namespace pages
namespace encodings {
enum : std::int64_t { plain = 0, plain_dictionary = 2, rle = 3, rle_dictionary = 8 };
}
namespace codecs {
enum : int { snappy = 1, zstd = 6 };
}

constexpr std::int64_t most_page_bytes = 1 << 22;
constexpr std::size_t length_bytes = 4;  // before the levels of a page of version 1
constexpr unsigned widest_index = 32;

// A range of bytes of a chunk.
struct Bytes {
    const char* start;
    std::size_t size;

    Bytes take(std::int64_t count) {
        if (count < 0 || static_cast<std::uint64_t>(count) > size) throw Unusual{};
        const Bytes taken{start, static_cast<std::size_t>(count)};
        start += count;
        size -= static_cast<std::size_t>(count);
        return taken;
    }
    unsigned byte() { return static_cast<unsigned char>(*take(1).start); }
    std::uint32_t varint() {
        std::uint32_t value = 0;
        for (int shift = 0; shift < 28; shift += 7) {
            const unsigned next = byte();
            value |= (next & 127) << shift;
            if (next < 128) return value;
        }
        throw Unusual{};
    }
};

// Returns the size that a frame of Zstandard says it has; see RFC 8878, section 3.1.1.1.
std::uint64_t zstd_size(Bytes frame) {
    constexpr std::uint32_t magic = 0xFD2FB528;
    std::uint32_t start;
    std::memcpy(&start, frame.take(4).start, sizeof start);
    const unsigned about = frame.byte(), size_kind = about >> 6;
    const bool single = (about >> 5 & 1) != 0;
    if (start != magic || (about & 15) != 0 || (size_kind == 0 && !single)) throw Unusual{};
    if (!single) frame.byte();
    std::uint64_t size = 0;
    std::memcpy(&size, frame.take(1 << size_kind).start, std::size_t{1} << size_kind);
    return size + (size_kind == 1 ? 256 : 0);
}

// A codec of Arrow, or none for pages that are not compressed.
struct Codec {
    int number;
    PyObject* function;

    bool none() const { return function == Py_None; }

    // Returns what the function makes of bytes; its own errors are reported by Arrow's reader.
    template <typename... Arguments>
    Owned call(Bytes bytes, const char* format, Arguments... arguments) const {
        const Owned view(PyMemoryView_FromMemory(const_cast<char*>(bytes.start),
                                                 static_cast<Py_ssize_t>(bytes.size), PyBUF_READ));
        PyObject* const made = PyObject_CallFunction(function, format, view.get(), arguments...);
        if (made == nullptr && PyErr_ExceptionMatches(PyExc_Exception) != 0) {
            PyErr_Clear();
            throw Unusual{};
        }
        Owned owned(made);
        if (PyBytes_Check(made) == 0) throw Unusual{};
        return owned;
    }

    // Decompresses bytes; `held` keeps them.
    Bytes decompressed(Bytes bytes, std::int64_t size, std::vector<Owned>& held) const {
        const auto expected = static_cast<std::size_t>(size);
        if (none() || bytes.size == 0) {
            if (bytes.size != expected) throw Unusual{};
            return bytes;
        }
        // Arrow fills the output only as far as the data go: to where they say themselves.
        if (Bytes head = bytes; number == codecs::snappy && head.varint() != expected)
            throw Unusual{};
        if (number == codecs::zstd && zstd_size(bytes) != expected) throw Unusual{};
        held.push_back(call(bytes, "OnO", static_cast<Py_ssize_t>(size), Py_True));
        PyObject* const made = held.back().get();
        if (static_cast<std::size_t>(PyBytes_Size(made)) != expected) throw Unusual{};
        return {PyBytes_AsString(made), expected};
    }
};

// ---- Runs of equal or packed numbers, as levels and indices are stored

// Reads numbers of some bits and gives each to a function, with how often it is repeated.
template <typename Give>
void each_run(Bytes bytes, unsigned bits, std::size_t count, const Give& give) {
    const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
    while (count != 0) {
        const std::uint32_t head = bytes.varint();
        if (head < 2) throw Unusual{};
        std::size_t run = head >> 1;
        if ((head & 1) == 0) {
            std::uint64_t value = 0;
            for (unsigned shift = 0; shift < bits; shift += 8)
                value |= std::uint64_t{bytes.byte()} << shift;
            if (value > mask) throw Unusual{};
            run = std::min(run, count);
            give(value, run);
        } else {
            const Bytes packed = bytes.take(static_cast<std::int64_t>(run * bits));
            run = std::min(run * 8, count);
            for (std::size_t at = 0; at < run; ++at) {
                const std::size_t bit = at * bits, place = bit / 8;
                std::uint64_t word = 0;
                if (place + 8 <= packed.size)
                    std::memcpy(&word, packed.start + place, 8);
                else if (bits != 0)
                    std::memcpy(&word, packed.start + place, packed.size - place);
                give(word >> (bit & 7) & mask, 1);
            }
        }
        count -= run;
    }
}

// Writes levels as Arrow does.
class LevelWriter {
public:
    explicit LevelWriter(std::string& out) : out_(out) {}

    void put(unsigned value) {
        if (value == current_) {
            if (++repeats_ > 8) return;  // belongs to the run, which is written later
        } else {
            if (repeats_ >= 8) put_run();
            repeats_ = 1;
            current_ = value;
        }
        group_ |= value << waiting_;
        if (++waiting_ == 8) end_group();
    }

    void finish() {
        if (groups_ == 0 && repeats_ != 0 && (repeats_ == waiting_ || waiting_ == 0)) {
            put_run();
        } else if (groups_ != 0 || waiting_ != 0) {
            if (waiting_ != 0) put_group();
            end_groups();
        }
    }

private:
    static constexpr unsigned most_groups = 63;  // so that their head is one byte

    void end_group() {
        if (repeats_ >= 8) {  // these 8 belong to a run
            waiting_ = group_ = 0;
            end_groups();
            return;
        }
        put_group();
        if (groups_ == most_groups) end_groups();
        repeats_ = 0;
    }

    void put_group() {
        if (groups_++ == 0) {
            head_ = out_.size();
            out_.push_back(0);
        }
        out_.push_back(static_cast<char>(group_));
        waiting_ = group_ = 0;
    }

    void end_groups() {
        if (groups_ != 0) out_[head_] = static_cast<char>(groups_ << 1 | 1);
        groups_ = 0;
    }

    void put_run() {
        std::uint32_t head = repeats_ << 1;
        for (; head > 127; head >>= 7) out_.push_back(static_cast<char>((head & 127) | 128));
        out_.push_back(static_cast<char>(head));
        out_.push_back(static_cast<char>(current_));
        repeats_ = waiting_ = group_ = 0;
    }

    std::string& out_;
    std::size_t head_ = 0;
    unsigned current_ = 0, repeats_ = 0, groups_ = 0, waiting_ = 0, group_ = 0;
};

// ---- Decoding

// Integers that must be the first fields of a record, from field 1 on.
template <std::size_t count>
std::array<std::int64_t, count> first_integers(const std::vector<Field>& fields) {
    std::array<std::int64_t, count> found{};
    if (fields.size() < count) throw Unusual{};
    for (std::size_t at = 0; at < count; ++at) {
        if (fields[at].number != static_cast<std::int64_t>(at) + 1 || fields[at].kind != kinds::i32)
            throw Unusual{};
        found[at] = fields[at].value;
    }
    return found;
}

// A page of a chunk: what its header says, and its stored bytes.
struct Page {
    std::int64_t type;
    std::int64_t size;  // uncompressed
    std::vector<Field> about;  // the fields of the record for its type
    Bytes stored;
};

Page next_page(Bytes& chunk) {
    std::vector<Field> fields;
    Reader reader(chunk.start, chunk.size);
    reader.fields(fields);
    const auto [type, size, stored] = first_integers<3>(fields);
    if (fields.size() != 4 || fields[3].kind != kinds::structure || size < 0 ||
        size > most_page_bytes || fields[3].number != pages::in_data + type)
        throw Unusual{};
    Page page{type, size, {}, {}};
    Reader(fields[3].start, fields[3].size).fields(page.about);
    // Readers that take numbers of fields as 16 bits find other fields there.
    if (!page.about.empty() && page.about.back().number > INT16_MAX) throw Unusual{};
    chunk.take(static_cast<std::int64_t>(reader.at()));
    page.stored = chunk.take(stored);
    return page;
}

// Where the levels and values of a data page are.
struct Content {
    std::int64_t encoding;
    std::int64_t nulls;  // -1: not said
    Bytes levels;
    Bytes values;
};

Content content_1(const Page& page, std::int64_t rows, bool nullable, const Codec& codec,
                  std::vector<Owned>& held) {
    const auto [values, encoding, definition, repetition] = first_integers<4>(page.about);
    if (values != rows || definition != encodings::rle || repetition != encodings::rle)
        throw Unusual{};
    Bytes rest = codec.decompressed(page.stored, page.size, held);
    Bytes levels{};
    if (nullable) {
        std::int32_t size;
        std::memcpy(&size, rest.take(length_bytes).start, length_bytes);
        levels = rest.take(size);
    }
    return {encoding, -1, levels, rest};
}

Content content_2(const Page& page, std::int64_t rows, bool nullable, const Codec& codec,
                  std::vector<Owned>& held) {
    const auto [values, nulls, same, encoding, definition, repetition] =
        first_integers<6>(page.about);
    if (values != rows || same != rows || repetition != 0 || (!nullable && definition != 0))
        throw Unusual{};
    Bytes rest = page.stored;
    const Bytes levels = rest.take(definition);
    const Field* const compressed = find(page.about, 7);
    if (compressed != nullptr && !is_truth(compressed->kind)) throw Unusual{};
    const bool is_plain = compressed != nullptr && compressed->kind == kinds::falsehood;
    const std::int64_t left = page.size - definition;
    if (left < 0) throw Unusual{};
    return {encoding, nulls, levels,
            (is_plain ? Codec{0, Py_None} : codec).decompressed(rest, left, held)};
}

// Sets the bits of the rows that are not null; returns their number.
std::size_t read_levels(Bytes levels, std::size_t rows, unsigned char* bits) {
    std::size_t row = 0, valid = 0;
    each_run(levels, 1, rows, [&](std::uint64_t level, std::size_t count) {
        for (; level != 0 && count >= 8 && row % 8 == 0; row += 8, count -= 8, valid += 8)
            bits[row / 8] = 255;
        for (std::size_t stop = row + count; row < stop; ++row)
            bits[row / 8] |= static_cast<unsigned char>(level << (row % 8));
        valid += level * count;
    });
    return valid;
}

// Puts `count` values into their rows, with zeros between them.
template <typename Word>
void spread(Word* values, std::size_t count, std::size_t rows, const unsigned char* bits) {
    for (std::size_t row = rows; row-- > 0;)
        values[row] = (bits[row / 8] >> (row % 8) & 1) != 0 ? values[--count] : Word{0};
}

template <typename Word>
void read_values(const Content& content, Bytes dictionary, std::size_t count, Word* values) {
    if (content.encoding == encodings::plain) {
        if (content.values.size != count * sizeof(Word)) throw Unusual{};
        if (count != 0) std::memcpy(values, content.values.start, content.values.size);
        return;
    }
    if (content.encoding != encodings::rle_dictionary &&
        content.encoding != encodings::plain_dictionary)
        throw Unusual{};
    if (dictionary.start == nullptr) throw Unusual{};  // also if all rows are null
    Bytes indices = content.values;
    const unsigned bits = indices.byte();
    const std::size_t entries = dictionary.size / sizeof(Word);
    if (bits > widest_index) throw Unusual{};
    each_run(indices, bits, count, [&](std::uint64_t index, std::size_t repeats) {
        if (index >= entries) throw Unusual{};
        Word word;
        std::memcpy(&word, dictionary.start + index * sizeof(Word), sizeof(Word));
        for (; repeats != 0; --repeats) *values++ = word;
    });
}

// What is known of a decoded chunk.
struct Decoded {
    std::size_t nulls;
    bool version_2;
};

// Decodes a chunk whose data page starts at `data_page`.
template <typename Word>
Decoded decode_chunk(Bytes chunk, std::int64_t data_page, std::size_t rows, bool nullable,
                     const Codec& codec, Word* values, unsigned char* bits) {
    const char* const start = chunk.start;
    std::vector<Owned> held;
    Bytes dictionary{};
    const auto expected = static_cast<std::int64_t>(rows);
    Page page = next_page(chunk);
    if (page.type == pages::dictionary) {
        const auto [entries, encoding] = first_integers<2>(page.about);
        if (encoding != encodings::plain && encoding != encodings::plain_dictionary)
            throw Unusual{};
        dictionary = codec.decompressed(page.stored, page.size, held);
        if (entries < 0 || static_cast<std::size_t>(entries) * sizeof(Word) != dictionary.size)
            throw Unusual{};
        if (chunk.start - start != data_page) throw Unusual{};
        page = next_page(chunk);
    } else if (data_page != 0) {
        throw Unusual{};
    }
    if ((page.type != pages::data && page.type != pages::data_2) || chunk.size != 0)
        throw Unusual{};
    const Content content = (page.type == pages::data ? content_1 : content_2)(
        page, expected, nullable, codec, held);
    const std::size_t valid = nullable ? read_levels(content.levels, rows, bits) : rows;
    if (content.nulls >= 0 && static_cast<std::size_t>(content.nulls) != rows - valid)
        throw Unusual{};
    read_values(content, dictionary, valid, values);
    if (valid < rows) spread(values, valid, rows, bits);
    return {rows - valid, page.type == pages::data_2};
}

// ---- Encoding

// How to encode the chunks of one style.
struct Style {
    int type;
    bool nullable, version_2, statistics;
    Codec codec;
};

// A column to encode: the values of its rows, and the bits of those that are not null.
template <typename T>
struct Column {
    const T* values;
    const unsigned char* bits;  // or nullptr
    std::size_t first_bit, rows;

    bool is_valid(std::size_t row) const {
        const std::size_t bit = first_bit + row;
        return bits == nullptr || (bits[bit / 8] >> (bit % 8) & 1) != 0;
    }
};

void put_number(Writer& writer, std::int64_t number, int kind, std::int64_t value,
                std::int64_t& last) {
    writer.head(number, kind, last);
    writer.zigzag(value);
    last = number;
}

void open_record(Writer& writer, std::int64_t number, std::int64_t& last) {
    writer.head(number, kinds::structure, last);
    last = number;
}

// The least and the greatest of some values; NaN is neither.
template <typename T>
struct Range {
    using Limits = std::numeric_limits<T>;
    T least = Limits::has_infinity ? Limits::infinity() : Limits::max();
    T most = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();

    void add(T value) {
        least = value < least ? value : least;
        most = most < value ? value : most;
    }
    void add(const Range& other) {
        least = other.least < least ? other.least : least;
        most = most < other.most ? other.most : most;
    }
    bool is_known() const { return least <= most; }
};

// Writes a Statistics record as Arrow does: zeros have the sign that includes the other.
template <typename T>
void put_statistics(Writer& writer, const Range<T>& range, std::size_t nulls) {
    T least = range.least, most = range.most;
    const bool known = range.is_known();
    if constexpr (std::is_floating_point_v<T>) {
        if (least == T{0}) least = std::copysign(T{0}, T{-1});
        if (most == T{0}) most = T{0};
    }
    std::int64_t last = 0;
    const auto put_ends = [&](std::int64_t number) {
        for (const T& end : {most, least}) {
            writer.text(number, reinterpret_cast<const char*>(&end), sizeof(T), last);
            last = number++;
        }
    };
    if (known) put_ends(1);
    put_number(writer, 3, kinds::i64, static_cast<std::int64_t>(nulls), last);
    if (known) {
        put_ends(5);
        for (const std::int64_t exact : {7, 8}) {
            writer.head(exact, kinds::truth, last);
            last = exact;
        }
    }
    writer.put(0);
}

struct Size {
    std::size_t uncompressed, compressed;
};

// Writes the header of the page that holds a chunk.
void put_page_header(Writer& writer, const Style& style, Size size, std::size_t rows,
                     std::size_t nulls, std::size_t level_bytes, bool compressed,
                     const std::string& statistics) {
    const auto count = static_cast<std::int64_t>(rows);
    std::int64_t last = 0, inner = 0;
    const auto put = [&](std::initializer_list<std::int64_t> values, std::int64_t& before) {
        for (const std::int64_t value : values)
            put_number(writer, before + 1, kinds::i32, value, before);
    };
    put({style.version_2 ? pages::data_2 : pages::data,
         static_cast<std::int64_t>(size.uncompressed), static_cast<std::int64_t>(size.compressed)},
        last);
    open_record(writer, style.version_2 ? pages::in_data_2 : pages::in_data, last);
    if (style.version_2) {
        put({count, static_cast<std::int64_t>(nulls), count, encodings::plain,
             static_cast<std::int64_t>(level_bytes), 0},
            inner);
        writer.head(7, compressed ? kinds::truth : kinds::falsehood, inner);
        inner = 7;
    } else {
        put({count, encodings::plain, encodings::rle, encodings::rle}, inner);
    }
    open_record(writer, inner + 1, inner);
    writer.bytes(statistics.data(), statistics.size());
    writer.put(0);
    writer.put(0);
}

// Writes the ColumnChunk record of a chunk; its path is replaced by that of the old chunk.
void put_record(Writer& writer, const Style& style, Size size, std::size_t rows, std::size_t nulls,
                std::size_t number, const std::string& statistics) {
    constexpr std::int64_t pages_at = 4;  // PAGES_AT in column_chunk.py
    std::int64_t chunk = 0, last = 0, inner = 0;
    put_number(writer, 2, kinds::i64, 0, chunk);
    open_record(writer, 3, chunk);
    put_number(writer, 1, kinds::i32, style.type, last);
    writer.head(2, kinds::list, last);
    writer.list_head(kinds::i32, 2);
    for (const std::int64_t encoding : {encodings::rle, encodings::plain}) writer.zigzag(encoding);
    writer.head(3, kinds::list, 2);
    writer.list_head(kinds::binary, 1);
    writer.sized("column" + std::to_string(number));
    last = 3;
    put_number(writer, 4, kinds::i32, style.codec.number, last);
    put_number(writer, 5, kinds::i64, static_cast<std::int64_t>(rows), last);
    put_number(writer, 6, kinds::i64, static_cast<std::int64_t>(size.uncompressed), last);
    put_number(writer, 7, kinds::i64, static_cast<std::int64_t>(size.compressed), last);
    put_number(writer, 9, kinds::i64, pages_at, last);
    if (style.statistics) {
        open_record(writer, 12, last);
        writer.bytes(statistics.data(), statistics.size());
    }
    writer.head(13, kinds::list, last);  // one page of data, plain
    writer.list_head(kinds::structure, 1);
    put_number(writer, 1, kinds::i32, pages::data, inner);
    put_number(writer, 2, kinds::i32, encodings::plain, inner);
    put_number(writer, 3, kinds::i32, 1, inner);
    writer.put(0);
    if (style.nullable) {  // the numbers of rows of each level
        inner = 0;
        open_record(writer, 16, last = 13);
        writer.head(2, kinds::list, inner);
        writer.list_head(kinds::i64, 0);
        writer.head(3, kinds::list, 2);
        writer.list_head(kinds::i64, 2);
        writer.zigzag(static_cast<std::int64_t>(nulls));
        writer.zigzag(static_cast<std::int64_t>(rows - nulls));
        writer.put(0);
    }
    writer.put(0);
    writer.put(0);
}

// Encodes the chunks of columns of one style and length.
class Encoder {
public:
    explicit Encoder(const Style& style) : style_(style) {}

    template <typename T>
    void column(const Column<T>& column) {
        const std::size_t rows = column.rows;
        std::string levels, body;
        std::size_t valid = rows;
        if (style_.nullable) valid = put_levels(column, levels);
        else if (column.bits != nullptr) throw Unusual{};
        Bytes values{reinterpret_cast<const char*>(column.values), rows * sizeof(T)};
        if (!style_.version_2 && style_.nullable) {
            const auto size = static_cast<std::uint32_t>(levels.size());
            body.append(reinterpret_cast<const char*>(&size), length_bytes).append(levels);
            levels.clear();
        }
        if (valid < rows || !body.empty()) {
            put_values(column, valid, body);
            values = {body.data(), body.size()};
        }
        const std::string statistics = 
            style_.statistics ? statistics_of(column, valid) : std::string(1, '\0');
        std::vector<Owned> held;
        const std::size_t uncompressed = values.size;
        const bool compressed = compress(values, held);
        const Size page{levels.size() + uncompressed, levels.size() + values.size};
        Writer header;
        put_page_header(header, style_, page, rows, rows - valid, levels.size(),
                        compressed, statistics);
        put_page(header.out(), levels, values);
        const std::size_t more = header.out().size();
        put_record(records_, style_, {page.uncompressed + more, page.compressed + more}, rows,
                   rows - valid, count_++, statistics);
    }

    // Returns (pages of each chunk, encoded list of ColumnChunk records).
    PyObject* result() const {
        Writer list;
        list.list_head(kinds::structure, count_);
        list.bytes(records_.out().data(), records_.out().size());
        const std::string& records = list.out();
        return Py_BuildValue("(ON)", pages_.get(), bytes_of(records.data(), records.size()).release());
    }

private:
    void put_page(const std::string& header, const std::string& levels, Bytes values) {
        const std::size_t before = header.size() + levels.size();
        const Owned page(PyBytes_FromStringAndSize(
            nullptr, static_cast<Py_ssize_t>(before + values.size)));
        char* const start = PyBytes_AsString(page.get());
        std::memcpy(start, header.data(), header.size());
        std::memcpy(start + header.size(), levels.data(), levels.size());
        if (values.size != 0) std::memcpy(start + before, values.start, values.size);
        if (PyList_Append(pages_.get(), page.get()) != 0) throw python::Error{};
    }

    // Compresses values, unless version 2 lets them be as they are and they get no smaller.
    bool compress(Bytes& values, std::vector<Owned>& held) const {
        if (style_.codec.none() || (style_.version_2 && values.size == 0)) return false;
        held.push_back(style_.codec.call(values, "OO", Py_True));
        PyObject* const made = held.back().get();
        const auto size = static_cast<std::size_t>(PyBytes_Size(made));
        if (style_.version_2 && size >= values.size) return false;
        values = {PyBytes_AsString(made), size};
        return true;
    }

    template <typename T>
    static std::size_t put_levels(const Column<T>& column, std::string& out) {
        LevelWriter levels(out);
        std::size_t valid = 0;
        for (std::size_t row = 0; row < column.rows; ++row) {
            const bool is_valid = column.is_valid(row);
            levels.put(is_valid ? 1 : 0);
            valid += is_valid ? 1 : 0;
        }
        levels.finish();
        return valid;
    }

    template <typename T>
    static void put_values(const Column<T>& column, std::size_t valid, std::string& body) {
        const auto put = [&](std::size_t row, std::size_t count) {
            body.append(reinterpret_cast<const char*>(column.values + row), count * sizeof(T));
        };
        body.reserve(body.size() + valid * sizeof(T));
        if (valid == column.rows) return put(0, valid);
        for (std::size_t row = 0; row < column.rows; ++row)
            if (column.is_valid(row)) put(row, 1);
    }

    template <typename T>
    static std::string statistics_of(const Column<T>& column, std::size_t valid) {
        Range<T> range;
        const T* const values = column.values;
        if (valid == column.rows) {
            std::array<Range<T>, 8> lanes;  // that the compiler can keep in one register
            const std::size_t whole = column.rows / lanes.size() * lanes.size();
            for (std::size_t row = 0; row < whole; row += lanes.size())
                for (std::size_t lane = 0; lane < lanes.size(); ++lane)
                    lanes[lane].add(values[row + lane]);
            for (std::size_t row = whole; row < column.rows; ++row) range.add(values[row]);
            for (const Range<T>& lane : lanes) range.add(lane);
        } else {
            for (std::size_t row = 0; row < column.rows; ++row)
                if (column.is_valid(row)) range.add(values[row]);
        }
        Writer writer;
        put_statistics(writer, range, column.rows - valid);
        return writer.out();
    }

    Style style_;
    std::size_t count_ = 0;
    Owned pages_{PyList_New(0)};
    Writer records_;
};

// ---- Python interface

// Calls a function with a value of the C++ type of a Parquet type.
template <typename Function>
void with_type(int type, const Function& function) {
    if (type == types::int32) return function(std::int32_t{});
    if (type == types::int64) return function(std::int64_t{});
    if (type == types::float32) return function(float{});
    if (type == types::float64) return function(double{});
    throw Unusual{};
}

// Takes (bytes, for each chunk its offset, its size and the offset of its data page in it, rows,
// bytes of a value, whether nullable, number of the codec, its function or None, values, validity
// bits); returns for each chunk (nulls, whether its page is of version 2), or None if it is to be
// left to Arrow.
PyObject* decode(PyObject* arguments) {
    PyObject *bytes, *places, *function, *value_buffer, *bit_buffer;
    Py_ssize_t rows;
    int width, nullable, codec_number;
    if (!PyArg_ParseTuple(arguments, "SOnipiOOO", &bytes, &places, &rows, &width, &nullable,
                          &codec_number, &function, &value_buffer, &bit_buffer))
        throw python::Error{};
    const python::Buffer chunks(places, "lq", 2);
    const python::Buffer values(value_buffer, "B", 2, true), bits(bit_buffer, "B", 2, true);
    const Py_ssize_t count = chunks.length();
    const auto size = static_cast<std::size_t>(PyBytes_Size(bytes));
    if (rows < 1 || chunks.length(1) != 3 || (width != 4 && width != 8) ||
        values.length() != count || values.length(1) != rows * width || bits.length() != count ||
        bits.length(1) != (rows + 7) / 8)
        python::fail("chunks do not fit their buffers");
    const auto* const place = chunks.data<std::int64_t>();
    char* const value_start = values.data<char>();
    auto* const bit_start = bits.data<unsigned char>();
    const Codec codec{codec_number, function};
    Owned found_in(PyList_New(count));
    for (Py_ssize_t at = 0; at < count; ++at) {
        PyObject* found;
        try {
            Bytes chunk{PyBytes_AsString(bytes), size};
            const auto* const own = place + 3 * at;
            chunk.take(own[0]);
            chunk = chunk.take(own[1]);
            char* const out = value_start + at * values.length(1);
            unsigned char* const valid = bit_start + at * bits.length(1);
            const auto count = static_cast<std::size_t>(rows);
            const bool may_be_null = nullable != 0;
            const Decoded decoded =
                width == 8 ? decode_chunk(chunk, own[2], count, may_be_null, codec,
                                          reinterpret_cast<std::uint64_t*>(out), valid)
                           : decode_chunk(chunk, own[2], count, may_be_null, codec,
                                          reinterpret_cast<std::uint32_t*>(out), valid);
            found = Py_BuildValue("(nO)", static_cast<Py_ssize_t>(decoded.nulls),
                                  decoded.version_2 ? Py_True : Py_False);
            if (found == nullptr) throw python::Error{};
        } catch (const Unusual&) {
            found = Py_None;
            Py_INCREF(found);
        }
        PyList_SetItem(found_in.get(), at, found);
    }
    return found_in.release();
}

// Takes (columns, rows, Parquet type, whether nullable, version 2, with statistics, number of the
// codec, its function or None), a column being (validity bits or None, values, first row);
// returns (pages of each chunk, encoded list of ColumnChunk records), or None.
PyObject* encode(PyObject* arguments) {
    PyObject* columns;
    Py_ssize_t rows;
    int type, nullable, version_2, statistics, codec_number;
    PyObject* function;
    if (!PyArg_ParseTuple(arguments, "O!nipppiO", &PyList_Type, &columns, &rows, &type, &nullable,
                          &version_2, &statistics, &codec_number, &function))
        throw python::Error{};
    Encoder encoder({type, nullable != 0, version_2 != 0, statistics != 0,
                     {codec_number, function}});
    try {
        with_type(type, [&](auto zero) {
            using T = decltype(zero);
            const Py_ssize_t count = PyList_Size(columns);
            for (Py_ssize_t at = 0; at < count; ++at) {
                PyObject *bits, *values;
                Py_ssize_t first;
                if (!PyArg_ParseTuple(PyList_GetItem(columns, at), "OOn", &bits, &values, &first))
                    throw python::Error{};
                const python::Buffer held(values, "bB", 1);
                const python::Buffer valid(bits == Py_None ? values : bits, "bB", 1);
                const Py_ssize_t stop = first + rows;
                if (first < 0 || rows < 1 || held.length() < stop * Py_ssize_t{sizeof(T)} ||
                    (bits != Py_None && valid.length() < (stop + 7) / 8))
                    python::fail("a column is shorter than its rows");
                encoder.column(Column<T>{
                    reinterpret_cast<const T*>(held.bytes()) + first,
                    bits == Py_None ? nullptr
                                    : reinterpret_cast<const unsigned char*>(valid.bytes()),
                    static_cast<std::size_t>(first), static_cast<std::size_t>(rows)});
            }
        });
    } catch (const Unusual&) {
        Py_RETURN_NONE;
    }
    return encoder.result();
}

PyMethodDef methods[] = {
    {"decode", python::guarded<decode>, METH_VARARGS, nullptr},
    {"encode", python::guarded<encode>, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyMODINIT_FUNC PyInit__pages() { return python::module_of<2>("_pages", methods); }
