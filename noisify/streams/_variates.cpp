// Draws the normal and uniform variates of a stream block by block, with the same bits as NumPy's
// standard_normal and uniform of Generator(SFC64(SeedSequence(entropy, spawn_key=(block,)))).
//
// The module is optional: without it streams.py uses NumPy, and tests compare the two to the bit.
// One loop here does the costly work: the generator, and the 98 % of normals that need only one
// word, a product and a comparison. NumPy's own function, from its static library, draws the
// others, starting with the same word. It also gives, once, the factors and limits of the fast
// path, so that its tables are not copied here.
//
// SFC64 is by C. Doty-Humphrey (PractRand), the seeding by M. E. O'Neill (see block_seeds.py), the
// ziggurat by Marsaglia and Tsang (2000), "The ziggurat method for generating random variables".

#include "../core/_python.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "numpy/random/bitgen.h"

extern "C" double random_standard_normal(bitgen_t* generator);

namespace {

// ---- The generator

struct Sfc64 {
    std::uint64_t a, b, c, counter;

    std::uint64_t next() {
        const std::uint64_t word = a + b + counter++;
        a = b ^ (b >> 11);
        b = c + (c << 3);
        c = ((c << 24) | (c >> 40)) + word;
        return word;
    }
};

// A hash of words whose constant advances with every use.
class Hash {
public:
    Hash(std::uint32_t start, std::uint32_t step) : constant_(start), step_(step) {}
    std::uint32_t operator()(std::uint32_t word) {
        word ^= constant_;
        constant_ *= step_;
        word *= constant_;
        return word ^ (word >> 16);
    }

private:
    std::uint32_t constant_, step_;
};

std::uint32_t mixed(std::uint32_t one, std::uint32_t other) {
    const std::uint32_t word = 0xCA01F9DDu * one - 0x4973F715u * other;
    return word ^ (word >> 16);
}

constexpr std::size_t pool_words = 4;
using Entropy = std::array<std::uint32_t, pool_words>;

Sfc64 generator_of(const Entropy& entropy, std::uint32_t block) {
    Entropy pool;
    Hash in(0x43B0D7E5u, 0x931E8875u);
    for (std::size_t at = 0; at < pool_words; ++at) pool[at] = in(entropy[at]);
    for (std::size_t from = 0; from < pool_words; ++from)
        for (std::size_t to = 0; to < pool_words; ++to)
            if (from != to) pool[to] = mixed(pool[to], in(pool[from]));
    for (std::uint32_t& word : pool) word = mixed(word, in(block));
    Hash out(0x8B51F9DDu, 0x58F38DEDu);
    std::uint64_t seed[3];
    for (std::size_t at = 0; at < 3; ++at) {
        const std::uint64_t low = out(pool[2 * at % pool_words]);
        const std::uint64_t high = out(pool[(2 * at + 1) % pool_words]);
        seed[at] = high << 32 | low;
    }
    Sfc64 generator{seed[0], seed[1], seed[2], 1};
    for (int round = 0; round < 12; ++round) generator.next();
    return generator;
}

double uniform_of(std::uint64_t word) {
    return static_cast<double>(static_cast<std::int64_t>(word >> 11)) * (1.0 / 9007199254740992.0);
}

// ---- The ziggurat

constexpr int layers = 256;
constexpr int mantissa_bits = 52;
constexpr std::uint64_t mantissa = (std::uint64_t{1} << mantissa_bits) - 1;

// A word holds eight bits of layer, one of sign, and the magnitude.
std::size_t layer_of(std::uint64_t word) { return static_cast<std::size_t>(word & (layers - 1)); }
std::uint64_t sign_of(std::uint64_t word) { return word << 55 & std::uint64_t{1} << 63; }
std::uint64_t magnitude(std::uint64_t word) { return word >> 9 & mantissa; }

// The source of NumPy's function: a given word, then those of a generator.
struct Words {
    std::uint64_t first;
    Sfc64 rest;
    int used = 0;

    std::uint64_t next() { return used++ == 0 ? first : rest.next(); }
};

std::uint64_t next_uint64(void* words) { return static_cast<Words*>(words)->next(); }
std::uint32_t next_uint32(void*) { return 0; }  // not used by a normal
double next_double(void* words) { return uniform_of(next_uint64(words)); }

double drawn_by_numpy(Words& words) {
    bitgen_t generator{&words, next_uint64, next_uint32, next_double, next_uint64};
    return random_standard_normal(&generator);
}

// The fast path: its factors and limits are found by trying NumPy's function.
class Ziggurat {
public:
    Ziggurat() {
        for (std::size_t layer = 0; layer < layers; ++layer) {
            factors_[layer] = drawn(layer, 1).value;
            std::uint64_t low = 0, high = mantissa + 1;  // one word is enough below low
            while (low < high) {
                const std::uint64_t middle = low + (high - low) / 2;
                if (drawn(layer, middle).words == 1)
                    low = middle + 1;
                else
                    high = middle;
            }
            limits_[layer] = low;
        }
    }

    double draw(Sfc64& generator) const {
        const std::uint64_t word = generator.next();
        const std::size_t layer = layer_of(word);
        const std::uint64_t size = magnitude(word);
        if (size < limits_[layer]) {
            const double value =
                static_cast<double>(static_cast<std::int64_t>(size)) * factors_[layer];
            std::uint64_t bits;  // a branch on the sign would be mispredicted half of the time
            std::memcpy(&bits, &value, sizeof bits);
            bits ^= sign_of(word);
            double drawn;
            std::memcpy(&drawn, &bits, sizeof drawn);
            return drawn;
        }
        Words words{word, generator};  // a copy: the generator itself can stay in registers
        const double drawn = drawn_by_numpy(words);
        generator = words.rest;
        return drawn;
    }

private:
    struct Drawn {
        double value;
        int words;
    };
    static Drawn drawn(std::size_t layer, std::uint64_t size) {
        Words words{size << 9 | layer, {1, 2, 3, 1}};
        const double value = drawn_by_numpy(words);
        return {value, words.used};
    }

    double factors_[layers];
    std::uint64_t limits_[layers];
};

// ---- Streams

struct Normal {
    const Ziggurat& ziggurat;
    double operator()(Sfc64& generator) const { return ziggurat.draw(generator); }
};

struct Uniform {
    double operator()(Sfc64& generator) const { return uniform_of(generator.next()); }
};

// A part of a stream.
struct Part {
    Entropy entropy;
    std::uint64_t block_size;
    std::uint64_t start;
    std::uint64_t count;
};

template <typename Draw>
void fill(const Part& part, double* out, const Draw& draw) {
    std::uint64_t skipped = part.start % part.block_size;
    std::uint64_t left = part.count;
    for (std::uint64_t block = part.start / part.block_size; left > 0; ++block) {
        Sfc64 generator = generator_of(part.entropy, static_cast<std::uint32_t>(block));
        for (std::uint64_t at = 0; at < skipped; ++at) draw(generator);
        const std::uint64_t here = std::min(left, part.block_size - skipped);
        for (std::uint64_t at = 0; at < here; ++at) out[at] = draw(generator);
        out += here;
        left -= here;
        skipped = 0;
    }
}

void fill_normal(const Part& part, double* out) {
    static const Ziggurat ziggurat;
    fill(part, out, Normal{ziggurat});
}

void fill_uniform(const Part& part, double* out) { fill(part, out, Uniform{}); }

// ---- Python interface

// Takes (entropy, block size, number of the first element, array to fill).
template <void (*filled)(const Part&, double*)>
PyObject* fill_array(PyObject* arguments) {
    constexpr const char* unfit = "variates go into one axis of float64, within 2**32 blocks";
    const char* bytes;
    Py_ssize_t length;
    unsigned long long block_size, start;
    PyObject* object;
    if (!PyArg_ParseTuple(arguments, "y#KKO", &bytes, &length, &block_size, &start, &object))
        throw python::Error{};
    Part part{{}, block_size, start, 0};
    if (length != sizeof part.entropy) python::fail("the entropy has 16 bytes");
    for (std::size_t at = 0; at < sizeof part.entropy; ++at) {
        const std::uint32_t byte = static_cast<unsigned char>(bytes[at]);
        part.entropy[at / 4] |= byte << 8 * (at % 4);
    }
    const python::Buffer array(object, "d", 1, true, unfit);
    double* const out = array.data<double>();
    part.count = static_cast<std::uint64_t>(array.length());
    const std::uint64_t most = block_size << 32;  // one word holds a block's number
    if (block_size == 0 || most >> 32 != block_size || start > most || part.count > most - start)
        python::fail(unfit);
    {
        const python::Unlocked unlocked;
        filled(part, out);
    }
    Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"normal", python::guarded<fill_array<fill_normal>>, METH_VARARGS, nullptr},
    {"uniform", python::guarded<fill_array<fill_uniform>>, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyMODINIT_FUNC PyInit__variates() { return python::module_of<2>("_variates", methods); }
