// Finds the cells of CSV records, parses numbers in them and writes changed cells, on bytes.
//
// noisify also works where this module is not built: scan.py and numbers.py do the same with NumPy
// and Arrow, and tests check that both give the same bytes. Only native.py calls this module, so
// arguments are checked only as far as memory safety requires. Every loop over data runs without
// the interpreter's lock.

#include "../../core/_python.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#endif

#include "_csv_numbers.hpp"

namespace {

using python::Buffer;
using python::Unlocked;
using python::fail;
using python::guarded;

using numbers::longest_float;
using numbers::longest_integer;
using numbers::lowest_bit;
using numbers::without_blanks;

constexpr int most_decimals = 1 << 30;

// A read-only column or matrix of 64-bit integers, whatever its strides.
class Integers {
public:
    Integers(PyObject* object, int dimensions) : buffer_(object, "lq", dimensions) {
        if (buffer_.itemsize() != sizeof(std::int64_t)) fail("an array is not of int64");
        base_ = buffer_.bytes();
        down_ = buffer_.stride(0);
        across_ = dimensions > 1 ? buffer_.stride(1) : 0;
    }
    Py_ssize_t rows() const { return buffer_.length(0); }
    Py_ssize_t columns() const { return buffer_.length(1); }
    std::int64_t at(Py_ssize_t row, Py_ssize_t column = 0) const {
        std::int64_t value;
        std::memcpy(&value, base_ + row * down_ + column * across_, sizeof value);
        return value;
    }

private:
    Buffer buffer_;
    const char* base_;
    Py_ssize_t down_, across_;
};

// ---- Finding characters, 64 at a time

// Finds the places of three characters, from the first to the last.
class Marks {
public:
    Marks(const char* begin, const char* end, char a, char b, char c)
        : end_(end), a_(a), b_(b), c_(c) {
        look_at(begin);
    }

    // Returns the next place, or the end.
    const char* next() {
        while (found_ == 0) {
            if (end_ - window_ <= width) return end_;
            look_at(window_ + width);
        }
        const char* place = window_ + lowest_bit(found_);
        found_ &= found_ - 1;
        return place;
    }

    // Skips the places before a given one, which is not before the last place returned.
    void skip_to(const char* place) {
        if (place - window_ >= width)
            look_at(place);
        else
            found_ &= ~std::uint64_t{0} << (place - window_);
    }

private:
    static constexpr std::ptrdiff_t width = 64;

    void look_at(const char* place) {
        window_ = place;
        const std::ptrdiff_t there = end_ - place;
        if (there >= width) {
            found_ = marks(place);
            return;
        }
        char padded[width] = {};
        std::memcpy(padded, place, static_cast<std::size_t>(there));
        found_ = marks(padded) & ((std::uint64_t{1} << there) - 1);
    }

#if defined(__SSE2__) || defined(_M_X64)
    std::uint64_t marks(const char* text) const {
        std::uint64_t found = 0;
        const __m128i a = _mm_set1_epi8(a_), b = _mm_set1_epi8(b_), c = _mm_set1_epi8(c_);
        for (int at = 0; at < width; at += 16) {
            const __m128i part = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + at));
            const __m128i any = _mm_or_si128(
                _mm_cmpeq_epi8(part, a),
                _mm_or_si128(_mm_cmpeq_epi8(part, b), _mm_cmpeq_epi8(part, c)));
            found |= static_cast<std::uint64_t>(_mm_movemask_epi8(any)) << at;
        }
        return found;
    }
#else
    // Bit 7 of each byte that is not zero; no carry runs from one byte to the next.
    static std::uint64_t filled(std::uint64_t word) {
        return ((word & numbers::every_byte(0x7f)) + numbers::every_byte(0x7f)) | word;
    }
    std::uint64_t marks(const char* text) const {
        const std::uint64_t a = numbers::every_byte(a_), b = numbers::every_byte(b_), c = numbers::every_byte(c_);
        std::uint64_t found = 0;
        for (int at = 0; at < width; at += 8) {
            std::uint64_t part;
            std::memcpy(&part, text + at, sizeof part);
            part = numbers::lowest_first(part);
            const std::uint64_t none = filled(part ^ a) & filled(part ^ b) & filled(part ^ c);
            const std::uint64_t bytes = ~none & numbers::every_byte('\x80');
            found |= (bytes >> 7) * 0x0102040810204080u >> 56 << at;
        }
        return found;
    }
#endif

    const char* window_;
    const char* end_;
    std::uint64_t found_;
    char a_, b_, c_;
};

// Returns the place after the quote that closes a quoted cell, or null if there is none.
const char* after_closing_quote(const char* place, const char* end) {
    while (place < end) {
        place = static_cast<const char*>(
            std::memchr(place, '"', static_cast<std::size_t>(end - place)));
        if (place == nullptr) return nullptr;
        if (++place == end || *place != '"') return place;
        ++place;
    }
    return nullptr;
}

// ---- cut

struct Cut {
    std::int64_t used = 0;   // bytes of the whole records
    std::int64_t rows = 0;   // records that are not empty lines
    std::int64_t lines = 0;  // line ends, those inside quotes included
    bool quotes = false;     // there is a quote in the records or after them
    bool returns = false;    // there is a CR that no LF follows
    bool odd = false;        // a quote is misplaced
    bool open = false;       // a quote is never closed
};

std::int64_t count_lines(const char* begin, const char* end) {
    std::int64_t lines = 0;
    for (const char* at = begin; at < end; ++at) lines += *at == '\n';
    for (const char* at = begin; at < end;) {
        at = static_cast<const char*>(std::memchr(at, '\r', static_cast<std::size_t>(end - at)));
        if (at == nullptr) break;
        lines += ++at == end || *at != '\n';
    }
    return lines;
}

Cut cut(const char* begin, const char* end, char delimiter, bool at_end) {
    Marks marks(begin, end, '\n', '\r', '"');
    Cut done;
    const char* record = begin;
    const char* place;
    std::int64_t lines = 0;  // so far in the record
    while ((place = marks.next()) != end) {
        if (*place == '"') {
            done.quotes = true;
            const char before = place == begin ? '\n' : place[-1];
            if (before != delimiter && before != '\n' && before != '\r') {
                done.odd = true;
                continue;
            }
            const char* const quoted = place;
            place = after_closing_quote(place + 1, end);
            if (place == nullptr) {
                done.open = true;
                break;
            }
            lines += count_lines(quoted, place);
            done.odd |= place != end && *place != delimiter && *place != '\n' && *place != '\r';
            marks.skip_to(place);
            continue;
        }
        const char* next = place + 1;
        if (*place == '\r') {
            if (next == end && !at_end) break;  // an LF may follow
            if (next < end && *next == '\n')
                next = marks.next() + 1;
            else
                done.returns = true;
        }
        done.rows += place != record;
        done.lines += lines + 1;
        lines = 0;
        record = next;
    }
    if (at_end && !done.open && record < end) {
        ++done.rows;
        done.lines += lines;
        record = end;
    }
    done.used = record - begin;
    return done;
}

// ---- scan

struct Bounds {
    std::int64_t* starts;
    std::int64_t* ends;
    Py_ssize_t rows;
    Py_ssize_t wanted;
};

// Stores the bounds of the wanted cells; returns false if the number of records, or of cells in a
// record, is not the expected one.
bool scan(const char* begin, const char* end, char delimiter, const std::vector<std::int32_t>& slots,
          Bounds bounds) {
    Marks marks(begin, end, delimiter, '\n', '\r');
    const std::size_t columns = slots.size();
    std::int64_t* starts = bounds.starts;
    std::int64_t* ends = bounds.ends;
    const char* place = begin;
    Py_ssize_t row = 0;
    while (place < end) {
        if (*place == '\n' || *place == '\r') {  // an empty line, or the LF of a CRLF
            place = marks.next() + 1;
            continue;
        }
        if (row++ == bounds.rows) return false;
        for (std::size_t column = 0;; ++column) {
            if (column == columns) return false;
            const char* start = place;
            if (place < end && *place == '"') {
                place = after_closing_quote(place + 1, end);
                if (place == nullptr) return false;
                marks.skip_to(place);
            }
            place = marks.next();
            const std::int32_t slot = slots[column];
            if (slot >= 0) {
                const bool quoted = place - start > 1 && *start == '"' && place[-1] == '"';
                starts[slot] = start - begin + quoted;
                ends[slot] = place - begin - quoted;
            }
            if (place < end && *place == delimiter) {
                ++place;
                continue;
            }
            if (column + 1 != columns) return false;
            if (place < end) ++place;
            break;
        }
        starts += bounds.wanted;
        ends += bounds.wanted;
    }
    return row == bounds.rows;
}

// ---- parse

enum Status : std::uint8_t { number, null, strange, python };  // python: a number that Python reads

template <typename T>
Status read(std::string_view text, T& value) {
    switch (numbers::read(text, value)) {
        case numbers::Number::read:
            return number;
        case numbers::Number::beyond:
            return python;
        default:
            return strange;
    }
}

// The texts that mean null, besides the empty one.
class Nulls {
public:
    explicit Nulls(PyObject* texts) {
        for (Py_ssize_t i = 0; i < PyTuple_Size(texts); ++i) {
            char* text;
            Py_ssize_t length;
            if (PyBytes_AsStringAndSize(PyTuple_GetItem(texts, i), &text, &length) != 0)
                throw python::Error{};
            if (length == 0)
                blank_ = true;
            else
                by_first_[static_cast<unsigned char>(*text)].emplace_back(
                    text, static_cast<std::size_t>(length));
        }
    }
    bool contain(std::string_view text) const {
        if (text.empty()) return blank_;
        for (const std::string& null : by_first_[static_cast<unsigned char>(text.front())])
            if (text == null) return true;
        return false;
    }

private:
    bool blank_ = false;
    std::vector<std::string> by_first_[256];
};

struct Counts {
    std::int64_t of[4] = {0, 0, 0, 0};
};

// Reads cells; returns false if a cell is not within the data.
template <typename T>
bool parse(std::string_view data, const Integers& starts, const Integers& ends, const Nulls& nulls,
           T* values, std::uint8_t* statuses, Counts& counts) {
    for (Py_ssize_t row = 0; row < starts.rows(); ++row) {
        const std::int64_t start = starts.at(row), end = ends.at(row);
        if (start < 0 || end < start || static_cast<std::uint64_t>(end) > data.size()) return false;
        const std::string_view text(data.data() + start, static_cast<std::size_t>(end - start));
        const std::string_view bare = without_blanks(text);
        T value = 0;
        Status status;
        if (text.empty() || nulls.contain(text) ||
            (bare.size() != text.size() && nulls.contain(bare)))
            status = null;
        else
            status = bare.empty() ? strange : read(bare, value);
        values[row] = status == number ? value : 0;
        statuses[row] = status;
        ++counts.of[status];
    }
    return true;
}

// ---- splice

// New texts for some cells of one column.
struct Change {
    Py_ssize_t place;
    bool within_blanks;  // blanks around the cell stay
    const std::uint8_t* which;
    const double* floats = nullptr;
    const Integers* decimals = nullptr;  // of floats; null: the shortest digits
    const std::int64_t* integers = nullptr;
    const std::int32_t* offsets = nullptr;  // of texts, one for each cell that changes
    const char* texts = nullptr;
    Py_ssize_t count = 0;
};

// Rows, from the first to before the last.
struct Range {
    Py_ssize_t first, last;
};

// The most bytes that the changes of some rows can add.
std::size_t most_bytes(const std::vector<Change>& changes, Range rows) {
    std::size_t most = 0;
    for (const Change& change : changes) {
        if (change.offsets != nullptr) {
            const Py_ssize_t texts = rows.last - rows.first -
                std::count(change.which + rows.first, change.which + rows.last, std::uint8_t{0});
            const std::int32_t end = change.offsets[std::min(texts, change.count)];
            most += static_cast<std::size_t>(end - change.offsets[0]);
            continue;
        }
        const std::size_t longest = change.floats == nullptr ? longest_integer : longest_float;
        for (Py_ssize_t row = rows.first; row < rows.last; ++row) {
            if (change.which[row] == 0) continue;
            most += change.decimals == nullptr
                        ? longest
                        : numbers::most_bytes(change.floats[row], change.decimals->at(row));
        }
    }
    return most;
}

// Copies bytes; may overwrite some after them, which is faster than a call for a few bytes.
char* copy(char* out, std::string_view text, const char* stop) {
    constexpr std::ptrdiff_t step = 16;
    const std::ptrdiff_t count = static_cast<std::ptrdiff_t>(text.size());
    if (count > 4 * step || stop - text.data() < count + step) {
        std::memcpy(out, text.data(), text.size());
    } else {
        for (std::ptrdiff_t at = 0; at < count; at += step)
            std::memcpy(out + at, text.data() + at, step);
    }
    return out + count;
}

// The changes of a few rows, row by row. Each column's are in memory of its own: with thousands of
// columns, going from one to the next for every cell would miss the processor's cache.
class Rows {
public:
    explicit Rows(std::size_t columns)
        : columns_(columns), which_(count * columns), floats_(count * columns) {}
    void read(const std::vector<Change>& changes, Py_ssize_t row, Py_ssize_t rows) {
        const std::size_t some = std::min(count, static_cast<std::size_t>(rows - row));
        for (std::size_t column = 0; column < columns_; ++column) {
            const Change& change = changes[column];
            for (std::size_t i = 0; i < some; ++i)
                which_[i * columns_ + column] = change.which[row + static_cast<Py_ssize_t>(i)];
            if (change.floats == nullptr) continue;
            for (std::size_t i = 0; i < some; ++i)
                floats_[i * columns_ + column] = change.floats[row + static_cast<Py_ssize_t>(i)];
        }
    }
    const std::uint8_t* which(Py_ssize_t row) const { return which_.data() + place(row); }
    const double* floats(Py_ssize_t row) const { return floats_.data() + place(row); }
    static bool starts_at(Py_ssize_t row) { return row % static_cast<Py_ssize_t>(count) == 0; }
    static constexpr std::size_t count = 8;  // float64 numbers in a cache line

private:
    std::size_t place(Py_ssize_t row) const {
        return static_cast<std::size_t>(row) % count * columns_;
    }
    std::size_t columns_;
    std::vector<std::uint8_t> which_;
    std::vector<double> floats_;
};

// Writes the data from `kept` to `stop` with the changed cells of some rows, and moves `kept` there;
// returns null if a cell is out of order.
char* splice(std::string_view data, const char*& kept, const char* stop, Range rows,
             const Integers& starts, const Integers& ends, std::vector<Change>& changes,
             Rows& cells, char* out) {
    for (Py_ssize_t row = rows.first; row < rows.last; ++row) {
        if (Rows::starts_at(row)) cells.read(changes, row, rows.last);
        const std::uint8_t* which = cells.which(row);
        const double* number = cells.floats(row);
        for (Change& change : changes) {
            const double value = *number++;
            if (*which++ == 0) continue;
            const std::int64_t from = starts.at(row, change.place);
            const std::int64_t to = ends.at(row, change.place);
            if (from < kept - data.data() || to < from || to > stop - data.data()) return nullptr;
            std::string_view cell(data.data() + from, static_cast<std::size_t>(to - from));
            if (change.within_blanks) cell = without_blanks(cell);
            const std::size_t before = static_cast<std::size_t>(cell.data() - kept);
            out = copy(out, {kept, before}, stop);
            kept = cell.data() + cell.size();
            if (change.decimals != nullptr) {
                out = numbers::write(out, value, change.decimals->at(row));
            } else if (change.floats != nullptr) {
                out = numbers::write(out, value);
            } else if (change.integers != nullptr) {
                out = numbers::write(out, change.integers[row]);
            } else {
                if (change.count-- == 0) return nullptr;
                const std::int32_t at = *change.offsets++;
                const std::size_t length = static_cast<std::size_t>(*change.offsets - at);
                std::memcpy(out, change.texts + at, length);
                out += length;
            }
        }
    }
    out = std::copy(kept, stop, out);
    kept = stop;
    return out;
}

// How many rows to write at once: the system provides the memory of larger outputs anew each time.
Py_ssize_t rows_at_once(std::size_t size, const std::vector<Change>& changes, Py_ssize_t rows) {
    constexpr std::size_t enough = std::size_t{1} << 23;
    const std::size_t most = size + most_bytes(changes, {0, rows});
    if (most <= enough) return rows;
    const std::size_t some = static_cast<std::size_t>(rows) * (enough / Rows::count) / most;
    return static_cast<Py_ssize_t>((some + 1) * Rows::count);
}

// ---- The functions as Python sees them

// A bytearray being written. The stable ABI cannot shrink bytes objects.
class Output {
public:
    explicit Output(std::size_t most)
        : object_(PyByteArray_FromStringAndSize(
              nullptr, static_cast<Py_ssize_t>(most) + numbers::slack)) {
        if (object_ == nullptr) throw python::Error{};
    }
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;
    ~Output() { Py_XDECREF(object_); }
    char* data() { return PyByteArray_AsString(object_); }
    void cut(const char* end) {
        if (PyByteArray_Resize(object_, end - data()) != 0) throw python::Error{};
    }
    PyObject* release() { return std::exchange(object_, nullptr); }

private:
    PyObject* object_;
};

std::string_view text_of(const Buffer& buffer) {
    return {buffer.data<char>(), static_cast<std::size_t>(buffer.length())};
}

PyObject* py_cut(PyObject* arguments) {
    PyObject* object;
    int delimiter, at_end;
    if (!PyArg_ParseTuple(arguments, "Oip:cut", &object, &delimiter, &at_end)) throw python::Error{};
    const Buffer data(object, "Bbc", 1);
    const std::string_view text = text_of(data);
    Cut done;
    {
        const Unlocked unlocked;
        done = cut(text.data(), text.data() + text.size(), static_cast<char>(delimiter), at_end);
    }
    return Py_BuildValue("LLLNNNN", static_cast<long long>(done.used),
                         static_cast<long long>(done.rows), static_cast<long long>(done.lines),
                         PyBool_FromLong(done.quotes), PyBool_FromLong(done.returns),
                         PyBool_FromLong(done.odd), PyBool_FromLong(done.open));
}

PyObject* py_scan(PyObject* arguments) {
    PyObject *object, *wanted_object, *starts_object, *ends_object;
    int delimiter;
    Py_ssize_t columns;
    if (!PyArg_ParseTuple(arguments, "OinOOO:scan", &object, &delimiter, &columns, &wanted_object,
                          &starts_object, &ends_object))
        throw python::Error{};
    const Buffer data(object, "Bbc", 1);
    const Buffer starts(starts_object, "lq", 2, true), ends(ends_object, "lq", 2, true);
    const Integers wanted(wanted_object, 1);
    const Bounds bounds{starts.data<std::int64_t>(), ends.data<std::int64_t>(), starts.length(),
                        wanted.rows()};
    if (ends.length() != bounds.rows || starts.length(1) != bounds.wanted ||
        ends.length(1) != bounds.wanted || columns < 1)
        fail("the bounds have another shape than the wanted cells");
    std::vector<std::int32_t> slots(static_cast<std::size_t>(columns), -1);
    for (Py_ssize_t i = 0; i < wanted.rows(); ++i) {
        const std::int64_t column = wanted.at(i);
        if (column < 0 || column >= columns || slots[static_cast<std::size_t>(column)] != -1)
            fail("a wanted column is not there, or wanted twice");
        slots[static_cast<std::size_t>(column)] = static_cast<std::int32_t>(i);
    }
    const std::string_view text = text_of(data);
    bool regular;
    {
        const Unlocked unlocked;
        regular = scan(text.data(), text.data() + text.size(), static_cast<char>(delimiter), slots,
                       bounds);
    }
    return PyBool_FromLong(regular);
}

PyObject* py_parse(PyObject* arguments) {
    PyObject *object, *starts_object, *ends_object, *nulls_object, *values_object, *status_object;
    if (!PyArg_ParseTuple(arguments, "OOOO!OO:parse", &object, &starts_object, &ends_object,
                          &PyTuple_Type, &nulls_object, &values_object, &status_object))
        throw python::Error{};
    const Buffer data(object, "Bbc", 1);
    const Integers starts(starts_object, 1), ends(ends_object, 1);
    const Nulls nulls(nulls_object);
    const Buffer values(values_object, "dlq", 1, true), statuses(status_object, "B", 1, true);
    if (ends.rows() != starts.rows() || values.length() != starts.rows() ||
        statuses.length() != starts.rows())
        fail("the arrays are not of one length");
    const std::string_view text = text_of(data);
    std::uint8_t* status = statuses.data<std::uint8_t>();
    double* floats = values.format() == 'd' ? values.data<double>() : nullptr;
    std::int64_t* integers = floats == nullptr ? values.data<std::int64_t>() : nullptr;
    Counts counts;
    bool within;
    {
        const Unlocked unlocked;
        within = floats != nullptr
                     ? parse(text, starts, ends, nulls, floats, status, counts)
                     : parse(text, starts, ends, nulls, integers, status, counts);
    }
    if (!within) fail("a cell is not within the data");
    return Py_BuildValue("LLLL", static_cast<long long>(counts.of[number]),
                         static_cast<long long>(counts.of[null]),
                         static_cast<long long>(counts.of[strange]),
                         static_cast<long long>(counts.of[python]));
}

PyObject* py_format(PyObject* arguments) {
    PyObject *values_object, *offsets_object;
    if (!PyArg_ParseTuple(arguments, "OO:format", &values_object, &offsets_object))
        throw python::Error{};
    const Buffer values(values_object, "d", 1), offsets(offsets_object, "il", 1, true);
    const double* floats = values.data<double>();
    std::int32_t* offset = offsets.data<std::int32_t>();
    const Py_ssize_t count = values.length();
    if (offsets.length() != count + 1) fail("there must be one offset more than values");
    if (count > std::numeric_limits<std::int32_t>::max() / longest_float)
        fail("too many values for 32-bit offsets");
    Output texts(static_cast<std::size_t>(count) * longest_float);
    char* const begin = texts.data();
    char* out = begin;
    {
        const Unlocked unlocked;
        *offset = 0;
        for (Py_ssize_t i = 0; i < count; ++i) {
            out = numbers::write(out, floats[i]);
            *++offset = static_cast<std::int32_t>(out - begin);
        }
    }
    texts.cut(out);
    return texts.release();
}

// Keeps the memory of the changes alive while they are used.
struct Held {
    std::deque<Buffer> buffers;
    std::deque<Integers> integers;
};

void check_texts(const Change& change, Py_ssize_t length) {
    if (change.count < 0 || change.offsets[0] < 0 || change.offsets[change.count] > length)
        fail("offsets are not within their texts");
    for (Py_ssize_t i = 0; i < change.count; ++i)
        if (change.offsets[i] > change.offsets[i + 1]) fail("offsets do not rise");
}

// Reads (place, within_blanks, which, contents, offsets of texts or None, decimals or None).
Change change_of(PyObject* item, Py_ssize_t rows, Py_ssize_t columns, Held& held) {
    PyObject *which_object, *contents_object, *offsets_object, *decimals_object;
    Change change;
    int within_blanks;
    if (!PyArg_ParseTuple(item, "npOOOO", &change.place, &within_blanks, &which_object,
                          &contents_object, &offsets_object, &decimals_object))
        throw python::Error{};
    change.within_blanks = within_blanks != 0;
    const Buffer& which = held.buffers.emplace_back(which_object, "?B", 1);
    change.which = which.data<std::uint8_t>();
    if (change.place < 0 || change.place >= columns || which.length() != rows)
        fail("a change is not for these cells");
    if (offsets_object != Py_None) {
        const Buffer& texts = held.buffers.emplace_back(contents_object, "Bbc", 1);
        change.texts = texts.data<char>();
        const Buffer& offsets = held.buffers.emplace_back(offsets_object, "il", 1);
        change.offsets = offsets.data<std::int32_t>();
        change.count = offsets.length() - 1;
        check_texts(change, texts.length());
        return change;
    }
    const Buffer& values = held.buffers.emplace_back(contents_object, "dlq", 1);
    if (values.length() != rows) fail("there must be a value for each record");
    if (values.format() != 'd') {
        change.integers = values.data<std::int64_t>();
        return change;
    }
    change.floats = values.data<double>();
    if (decimals_object != Py_None) {
        change.decimals = &held.integers.emplace_back(decimals_object, 1);
        if (change.decimals->rows() != rows) fail("there must be decimals for each record");
        for (Py_ssize_t row = 0; row < rows; ++row)
            if (change.decimals->at(row) > most_decimals) fail("there are too many decimals");
    }
    return change;
}

PyObject* py_splice(PyObject* arguments) {
    PyObject *object, *starts_object, *ends_object, *list;
    if (!PyArg_ParseTuple(arguments, "OOOO!:splice", &object, &starts_object, &ends_object,
                          &PyList_Type, &list))
        throw python::Error{};
    const Buffer data(object, "Bbc", 1);
    const Integers starts(starts_object, 2), ends(ends_object, 2);
    if (starts.rows() != ends.rows() || starts.columns() != ends.columns())
        fail("the bounds are not of one shape");
    Held held;
    std::vector<Change> changes;
    for (Py_ssize_t i = 0; i < PyList_Size(list); ++i)
        changes.push_back(
            change_of(PyList_GetItem(list, i), starts.rows(), starts.columns(), held));
    constexpr const char* out_of_order = "cells are out of order, or have too few texts";
    const std::string_view text = text_of(data);
    const Py_ssize_t rows = starts.rows(), step = rows_at_once(text.size(), changes, rows);
    const char* kept = text.data();
    Rows cells(changes.size());
    std::deque<Output> pieces;
    Range range{0, 0};
    do {
        range = {range.last, std::min(rows, range.last + step)};
        std::size_t length = text.size();
        if (range.last < rows) {
            const std::int64_t end = ends.at(range.last - 1, ends.columns() - 1);
            if (end < kept - text.data() || end > data.length()) fail(out_of_order);
            length = static_cast<std::size_t>(end);
        }
        const char* const stop = text.data() + length;
        Output& piece = pieces.emplace_back(static_cast<std::size_t>(stop - kept) +
                                            most_bytes(changes, range));
        char* out = piece.data();
        {
            const Unlocked unlocked;
            out = splice(text, kept, stop, range, starts, ends, changes, cells, out);
        }
        if (out == nullptr) fail(out_of_order);
        piece.cut(out);
    } while (range.last < rows);
    PyObject* const spliced = PyList_New(static_cast<Py_ssize_t>(pieces.size()));
    if (spliced == nullptr) throw python::Error{};
    Py_ssize_t at = 0;
    for (Output& piece : pieces) PyList_SetItem(spliced, at++, piece.release());
    return spliced;
}

PyMethodDef methods[] = {
    {"cut", guarded<py_cut>, METH_VARARGS, nullptr},
    {"scan", guarded<py_scan>, METH_VARARGS, nullptr},
    {"parse", guarded<py_parse>, METH_VARARGS, nullptr},
    {"format", guarded<py_format>, METH_VARARGS, nullptr},
    {"splice", guarded<py_splice>, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyMODINIT_FUNC PyInit__csv() { return python::module_of<4>("_csv", methods); }
