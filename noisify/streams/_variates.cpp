// Makes the words, the uniform and the normal variates of streams: the same bits as words.py and
// ziggurat.py make, several times as fast.
//
// The module is optional: without it NumPy does all of it, and tests compare the two to the bit.
// Only integers and single float64 operations are used; they must not be contracted or reordered.
//
// SplitMix64 by Steele, Lea and Flood (OOPSLA 2014); the ziggurat by Marsaglia and Tsang (2000).

#include "../core/_python.hpp"
#include "../kernels/_kernels.hpp"
#include "_ziggurat_tables.hpp"

#include <bitset>
#include <cfloat>
#include <cstdint>
#include <type_traits>

static_assert(FLT_EVAL_METHOD == 0, "float64 operations must be rounded to float64 one by one");

namespace {

// ---- Words

using Word = std::uint64_t;

Word mix64(Word state) {
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9u;
    state = (state ^ state >> 27) * 0x94D049BB133111EBu;
    return state ^ state >> 31;
}

struct Stream {
    Word start, increment;

    Word word(Word index) const { return mix64(start + index * increment); }

    Stream retry(Word number) const {
        Word other = word(~(2 * number)) | 1;  // at index -(2 * number + 1)
        if (std::bitset<64>(other ^ other >> 1).count() < 24) other ^= 0xAAAAAAAAAAAAAAAAu;
        return {word(~(2 * number) + 1), other};
    }
};

double whole(Word word) { return static_cast<double>(static_cast<std::int64_t>(word)); }

double uniform_of(Word word) { return whole(word >> 11) * (1.0 / 9007199254740992.0); }

double open_uniform_of(Word word) {
    return (whole(word >> 12) + 0.5) * (1.0 / 4503599627370496.0);
}

// ---- The ziggurat

constexpr std::size_t layers = 256;
constexpr std::size_t slots = 2 * layers;  // a slot is a layer and a sign

// What the fast path looks up: the candidate of a magnitude m is (m + 0.5) * factor, and it is
// sure if m is below the limit.
struct FastPath {
    double factors[slots] = {};
    std::int64_t limits[slots] = {};

    constexpr FastPath() {
        for (std::size_t layer = 0; layer < layers; ++layer) {
            const double factor = ziggurat::edges[layer] / 4503599627370496.0;
            std::int64_t low = 0, high = std::int64_t{1} << 52;
            while (low < high) {
                const std::int64_t middle = low + (high - low) / 2;
                if ((static_cast<double>(middle) + 0.5) * factor < ziggurat::edges[layer + 1])
                    low = middle + 1;
                else
                    high = middle;
            }
            factors[layer] = factor;
            factors[layer + layers] = -factor;
            limits[layer] = limits[layer + layers] = low;
        }
    }
};

constexpr FastPath fast_path;

std::size_t slot_of(Word word) { return word & (slots - 1); }

double candidate(Word word) {
    return (whole(word >> 12) + 0.5) * fast_path.factors[slot_of(word)];
}

bool sure(Word word) {
    return static_cast<std::int64_t>(word >> 12) < fast_path.limits[slot_of(word)];
}

// A stream and the first of its retry streams.
class Retries {
public:
    explicit Retries(const Stream& stream) : stream_(stream) {
        for (Word number = 0; number < few; ++number) first_[number] = stream.retry(number + 1);
    }
    Word word(Word index, Word number) const {
        return (number <= few ? first_[number - 1] : stream_.retry(number)).word(index);
    }

private:
    static constexpr Word few = 4;
    Stream stream_;
    Stream first_[few];
};

// The further words of one element.
class Words {
public:
    Words(const Retries& retries, Word index) : retries_(retries), index_(index) {}
    Word next() { return retries_.word(index_, ++used_); }

private:
    const Retries& retries_;
    Word index_;
    Word used_ = 0;
};

double tail(Words& words) {
    constexpr double edge = ziggurat::edges[1];
    while (true) {
        const double beyond = kernels::log(open_uniform_of(words.next())) / -edge;
        const double depth = kernels::log(open_uniform_of(words.next())) * -2.0;
        if (depth > beyond * beyond) return edge + beyond;
    }
}

// Returns the variate of an element whose first word is not sure.
double unsure_normal(const Retries& retries, Word index, Word word) {
    Words words(retries, index);
    while (true) {
        const double x = candidate(word);
        const std::size_t layer = slot_of(word) % layers;
        if (layer == 0) return x < 0 ? -tail(words) : tail(words);
        const double low = ziggurat::heights[layer], high = ziggurat::heights[layer + 1];
        if (low + uniform_of(words.next()) * (high - low) < kernels::exp(x * x * -0.5)) return x;
        word = words.next();
        if (sure(word)) return candidate(word);
    }
}

// ---- Streams

// A stream's state at consecutive indices.
class Consecutive {
public:
    Consecutive(const Stream& stream, Word first) : stream_(stream), first_(first) {}
    Word index(Word at) const { return first_ + at; }
    Word word(Word at) const { return stream_.word(first_ + at); }

private:
    Stream stream_;
    Word first_;
};

class Listed {
public:
    Listed(const Stream& stream, const Word* indices) : stream_(stream), indices_(indices) {}
    Word index(Word at) const { return indices_[at]; }
    Word word(Word at) const { return stream_.word(indices_[at]); }

private:
    Stream stream_;
    const Word* indices_;
};

struct Raw {
    using Value = Word;
    template <typename At>
    static void fill(const Stream&, const At& elements, Word count, Word* out) {
        for (Word at = 0; at < count; ++at) out[at] = elements.word(at);
    }
};

struct Uniform {
    using Value = double;
    template <typename At>
    static void fill(const Stream&, const At& elements, Word count, double* out) {
        for (Word at = 0; at < count; ++at) out[at] = uniform_of(elements.word(at));
    }
};

struct OpenUniform {
    using Value = double;
    template <typename At>
    static void fill(const Stream&, const At& elements, Word count, double* out) {
        for (Word at = 0; at < count; ++at) out[at] = open_uniform_of(elements.word(at));
    }
};

struct Normal {
    using Value = double;
    template <typename At>
    static void fill(const Stream& stream, const At& elements, Word count, double* out) {
        constexpr Word strip = 1024;
        const Retries retries(stream);
        Word unsure[strip];
        for (Word start = 0; start < count; start += strip) {
            const Word stop = start + strip < count ? start + strip : count;
            std::size_t left = 0;
            for (Word at = start; at < stop; ++at) {
                const Word word = elements.word(at);
                out[at] = candidate(word);
                unsure[left] = at;
                left += !sure(word);
            }
            for (std::size_t one = 0; one < left; ++one) {
                const Word at = unsure[one];
                out[at] = unsure_normal(retries, elements.index(at), elements.word(at));
            }
        }
    }
};

// ---- Python interface

// Takes (starts, increments, first index, indices or None, array to fill stream after stream).
template <typename Kind>
PyObject* fill_array(PyObject* arguments) {
    using Value = typename Kind::Value;
    constexpr const char* unfit = "streams, indices and values have one axis of 64-bit elements";
    constexpr const char* integers = "LQ";
    constexpr const char* formats = std::is_same<Value, double>::value ? "d" : integers;
    PyObject *given_starts, *given_increments, *given_indices, *given_out;
    unsigned long long first;
    if (!PyArg_ParseTuple(arguments, "OOKOO", &given_starts, &given_increments, &first,
                          &given_indices, &given_out))
        throw python::Error{};
    const python::Buffer starts(given_starts, integers, 1, false, unfit);
    const python::Buffer increments(given_increments, integers, 1, false, unfit);
    const python::Buffer filled(given_out, formats, 1, true, unfit);
    const Word* const start = starts.data<Word>();
    const Word* const increment = increments.data<Word>();
    Value* out = filled.data<Value>();
    const Py_ssize_t streams = starts.length();
    if (increments.length() != streams || streams == 0 || filled.length() % streams != 0)
        python::fail("streams have a start and an increment each, and equally many values");
    const Py_ssize_t count = filled.length() / streams;
    const auto fill_each = [&](const auto& elements_of) {
        const python::Unlocked unlocked;
        for (Py_ssize_t at = 0; at < streams; ++at, out += count) {
            const Stream stream{start[at], increment[at]};
            Kind::fill(stream, elements_of(stream), static_cast<Word>(count), out);
        }
    };
    if (given_indices == Py_None) {
        fill_each([&](const Stream& stream) { return Consecutive(stream, first); });
    } else {
        const python::Buffer indices(given_indices, integers, 1, false, unfit);
        const Word* const index = indices.data<Word>();
        if (indices.length() != count) python::fail("a stream has as many values as indices");
        fill_each([&](const Stream& stream) { return Listed(stream, index); });
    }
    Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"words", python::guarded<fill_array<Raw>>, METH_VARARGS, nullptr},
    {"uniform", python::guarded<fill_array<Uniform>>, METH_VARARGS, nullptr},
    {"open_uniform", python::guarded<fill_array<OpenUniform>>, METH_VARARGS, nullptr},
    {"normal", python::guarded<fill_array<Normal>>, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyMODINIT_FUNC PyInit__variates() { return python::module_of<3>("_variates", methods); }
