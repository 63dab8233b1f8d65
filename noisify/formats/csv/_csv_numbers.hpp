// Numbers in text: reading them as Python's float does, writing them as its repr does.
//
// Reading is std::from_chars. Writing takes half the time of std::to_chars: it finds the shortest
// digits by Giulietti, "The Schubfach way to render doubles" (2020), with powers of ten that are
// computed when the module is loaded. benchmarks/check_numbers.py compares both with Python's
// functions, over any number of random numbers.

#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

#ifdef _MSC_VER
#include <intrin.h>
#endif

#ifndef __cpp_lib_to_chars
#error "this C++ library cannot read and write floating-point numbers with <charconv>"
#endif

namespace numbers {
namespace {  // this file is a part of _csv.cpp

constexpr int longest_float = 24;    // -2.2250738585072014e-308
constexpr int longest_integer = 20;  // -9223372036854775808
constexpr int slack = 17;            // bytes after a number that writing it may overwrite

constexpr int fraction_bits = 52;
constexpr std::uint64_t implicit_bit = std::uint64_t{1} << fraction_bits;

// ---- Bits and bytes

int leading_zeros(std::uint64_t word) {
#ifdef _MSC_VER
    unsigned long bit;
    _BitScanReverse64(&bit, word);
    return 63 - static_cast<int>(bit);
#else
    return __builtin_clzll(word);
#endif
}

int lowest_bit(std::uint64_t word) {
#ifdef _MSC_VER
    unsigned long bit;
    _BitScanForward64(&bit, word);
    return static_cast<int>(bit);
#else
    return __builtin_ctzll(word);
#endif
}

constexpr std::uint64_t every_byte(char byte) {
    return 0x0101010101010101u * static_cast<unsigned char>(byte);
}

// Eight bytes as a number, the first one lowest.
std::uint64_t lowest_first(std::uint64_t word) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

void store(char* place, std::uint64_t word) {
    word = lowest_first(word);
    std::memcpy(place, &word, sizeof word);
}

// ---- Powers of ten

struct Wide {
    std::uint64_t high, low;
};

Wide product(std::uint64_t a, std::uint64_t b) {
#ifdef _MSC_VER
    Wide result;
    result.low = _umul128(a, b, &result.high);
    return result;
#else
    __extension__ using Integer = unsigned __int128;
    const Integer result = static_cast<Integer>(a) * b;
    return {static_cast<std::uint64_t>(result >> 64), static_cast<std::uint64_t>(result)};
#endif
}

// floor(log10(2**q)), floor(log10(3/4 * 2**q)) and floor(log2(10**e)), exact for these uses.
constexpr int log10_of_power_of_2(int q) { return (q * 315653) >> 20; }
constexpr int log10_of_three_quarters(int q) { return (q * 315653 - 131008) >> 20; }
constexpr int log2_of_power_of_10(int e) { return (e * 217707) >> 16; }

// For each power of ten, its first 128 bits, rounded up.
class Powers {
public:
    static constexpr int lowest = -292, highest = 324;  // the exponents that doubles need

    Powers() {
        Digits power{};  // 5**e, whose bits are those of 10**e
        power.back() = 1;
        for (int e = 0; e <= highest; ++e) {
            powers_[index(e)] = first_bits(power, false);
            multiply(power);
        }
        Digits reciprocal{};  // a power of two / 5**-e, rounded down
        reciprocal.front() = 1u << 31;
        for (int e = -1; e >= lowest; --e) {
            divide(reciprocal);
            powers_[index(e)] = first_bits(reciprocal, true);
        }
    }
    const Wide& operator[](int e) const { return powers_[index(e)]; }

private:
    // Digits of a large number to the base 2**32, the highest first.
    static constexpr std::size_t words = 28;
    using Digits = std::array<std::uint32_t, words>;

    static constexpr std::size_t index(int e) { return static_cast<std::size_t>(e - lowest); }

    static void multiply(Digits& number) {
        std::uint64_t carry = 0;
        for (std::size_t i = words; i-- > 0;) {
            carry += std::uint64_t{number[i]} * 5;
            number[i] = static_cast<std::uint32_t>(carry);
            carry >>= 32;
        }
    }
    static void divide(Digits& number) {
        std::uint64_t rest = 0;
        for (std::uint32_t& digit : number) {
            rest = rest << 32 | digit;
            digit = static_cast<std::uint32_t>(rest / 5);
            rest %= 5;
        }
    }
    // Returns the first bits of a number that may have more digits than these.
    static Wide first_bits(const Digits& number, bool more) {
        std::size_t first = 0;
        while (number[first] == 0) ++first;
        const auto word = [&](std::size_t i) {
            return i < words ? std::uint64_t{number[i]} : std::uint64_t{0};
        };
        const int shift = leading_zeros(word(first)) - 32;
        const auto bits = [&](std::size_t i) {  // 32 of them
            return (word(i) << shift | word(i + 1) >> (32 - shift)) & 0xffffffffu;
        };
        Wide result{bits(first) << 32 | bits(first + 1), bits(first + 2) << 32 | bits(first + 3)};
        more |= (word(first + 4) << shift & 0xffffffffu) != 0;
        for (std::size_t i = first + 5; i < words; ++i) more |= word(i) != 0;
        if (more && ++result.low == 0) ++result.high;
        return result;
    }

    std::array<Wide, highest - lowest + 1> powers_;
};

const Powers powers;

// ---- Reading

bool blank(char c) { return c == ' ' || c == '\t'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

std::string_view without_blanks(std::string_view text) {
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    return text;
}

bool same_word(std::string_view text, std::string_view lower) {
    if (text.size() != lower.size()) return false;
    for (std::size_t i = 0; i < text.size(); ++i)
        if ((text[i] | 0x20) != lower[i]) return false;
    return true;
}

enum class Number { read, beyond, none };  // beyond: a number out of range

// Reads a text without blanks around it, of one character at least.
Number read(std::string_view text, double& value) {
    const bool has_sign = text.front() == '+' || text.front() == '-';
    const std::string_view bare = text.substr(has_sign);
    if (bare.empty()) return Number::none;
    if (digit(bare[0]) || (bare[0] == '.' && bare.size() > 1 && digit(bare[1]))) {
        const char* const first = text.front() == '+' ? bare.data() : text.data();
        const char* const end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(first, end, value);
        if (stop != end) return Number::none;
        return error == std::errc() ? Number::read : Number::beyond;
    }
    if (same_word(bare, "nan"))
        value = std::numeric_limits<double>::quiet_NaN();
    else if (same_word(bare, "inf") || same_word(bare, "infinity"))
        value = (text.front() == '-' ? -1 : 1) * std::numeric_limits<double>::infinity();
    else
        return Number::none;
    return Number::read;
}

Number read(std::string_view text, std::int64_t& value) {
    const bool has_sign = text.front() == '+' || text.front() == '-';
    const std::string_view bare = text.substr(has_sign);
    bool whole = !bare.empty();
    for (char c : bare) whole &= digit(c);
    if (whole) {
        const char* first = text.front() == '+' ? bare.data() : text.data();
        const auto [stop, error] = std::from_chars(first, text.data() + text.size(), value);
        return error == std::errc() ? Number::read : Number::beyond;
    }
    double other;
    return read(text, other) == Number::none ? Number::none : Number::beyond;
}

// ---- Writing

struct Decimal {
    std::uint64_t digits;
    int exponent;
};

// factor * power / 2**128, rounded down, its lowest bit set if that was not exact.
std::uint64_t rounded_to_odd(const Wide& power, std::uint64_t factor) {
    const Wide high = product(factor, power.high);
    const std::uint64_t middle = high.low + product(factor, power.low).high;
    const std::uint64_t top = high.high + (middle < high.low);
    return top | (middle > 1);
}

// Finds the shortest decimal that reads back as the same double; of several, the nearest one.
Decimal shortest(std::uint64_t fraction, int biased) {
    const std::uint64_t c = biased == 0 ? fraction : fraction | implicit_bit;
    const int q = (biased == 0 ? 1 : biased) - 1075;
    // Decimals that read back as c * 2**q lie between its midpoints with its neighbours; the lower
    // midpoint is nearer where the exponent changes. The unit is a quarter of 10**k.
    const bool uneven = fraction == 0 && biased > 1;
    const int k = uneven ? log10_of_three_quarters(q) : log10_of_power_of_2(q);
    const int shift = q + log2_of_power_of_10(-k) + 1;
    const Wide& power = powers[-k];
    const std::uint64_t value = rounded_to_odd(power, (4 * c) << shift);
    const std::uint64_t odd = c & 1;  // then the midpoints read back as a neighbour
    const std::uint64_t low = rounded_to_odd(power, (4 * c - (uneven ? 1 : 2)) << shift) + odd;
    const std::uint64_t high = rounded_to_odd(power, (4 * c + 2) << shift) - odd;
    // One digit less may suffice. Otherwise it is the number just below or above, or the nearer of
    // the two. There are no branches, since the processor could not predict them.
    const std::uint64_t tens = value / 40;
    const bool tens_down = (tens != 0) & (low <= 40 * tens);
    const bool tens_up = (tens != 0) & (40 * tens + 40 <= high);
    const std::uint64_t below = value / 4;
    const bool down = low <= 4 * below, up = 4 * below + 4 <= high;
    const bool nearer_up = value + (below & 1) > 4 * below + 2;
    const bool only_one = down != up;
    const std::uint64_t ones = below + ((only_one & up) | (!only_one & nearer_up));
    const bool fewer = tens_down != tens_up;
    return {fewer ? tens + tens_up : ones, k + fewer};
}

// Returns the eight digits of a number as text.
std::uint64_t eight_digits(std::uint32_t number) {
    // Divisions by multiplying: numbers of four digits, then of two, then one, side by side.
    std::uint64_t text = number / 10000 | std::uint64_t{number % 10000} << 32;
    const std::uint64_t hundreds = text * 5243 >> 19 & 0x0000007f0000007fu;
    text = hundreds | (text - 100 * hundreds) << 16;
    const std::uint64_t tens = text * 103 >> 10 & 0x000f000f000f000fu;
    text = tens | (text - 10 * tens) << 8;
    return text + every_byte('0');
}

int trailing_zeros(std::uint64_t eight) {
    eight ^= every_byte('0');
    return eight == 0 ? 8 : leading_zeros(eight) / 8;
}

// The first 17 digits of a decimal as text, with zeros after the last one.
struct Digits {
    char first;
    std::uint64_t next, last;  // eight each
    int exponent;              // of the first one
    int count;                 // without the zeros

    explicit Digits(Decimal decimal) {
        constexpr std::uint64_t lowest = 10000000000000000u;
        exponent = decimal.exponent + 16;
        std::uint64_t digits = decimal.digits;
        const bool sixteen = digits < lowest;
        digits = sixteen ? 10 * digits : digits;
        exponent -= sixteen;
        for (; digits < lowest; --exponent) digits *= 10;
        const auto high = static_cast<std::uint32_t>(digits / 100000000);
        first = static_cast<char>('0' + high / 100000000);
        next = eight_digits(high % 100000000);
        last = eight_digits(static_cast<std::uint32_t>(digits % 100000000));
        const int zeros = trailing_zeros(last);
        count = 17 - zeros - (zeros == 8 ? trailing_zeros(next) : 0);
    }
    // Writes all digits, with a point after the first `whole`. The point is inserted between the
    // bytes of a word: writing the digits first and moving some of them would take longer.
    void write(char* out, int whole) const {
        *out = first;
        if (whole <= 8) {
            const int bits = 8 * (whole - 1);
            store(out + 1, with_point(next, bits));
            store(out + 9, last << 8 | next >> 56);
            out[17] = static_cast<char>(last >> 56);
        } else {
            const int bits = 8 * (whole - 9);
            store(out + 1, next);
            store(out + 9, with_point(last, bits));
            out[17] = static_cast<char>(last >> 56);
        }
    }
    // Writes all digits.
    void write(char* out) const {
        *out = first;
        store(out + 1, next);
        store(out + 9, last);
    }

private:
    static std::uint64_t with_point(std::uint64_t text, int bits) {
        const std::uint64_t before = (std::uint64_t{1} << bits) - 1;
        return (text & before) | std::uint64_t{'.'} << bits | (text & ~before) << 8;
    }
};

// Writes a float as Python's repr does, with an exponent below 1e-4 and from 1e16. Returns where
// the text ends, after at most 24 characters; some bytes after it are overwritten.
char* write(char* out, double value) {
    std::uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const std::uint64_t fraction = bits & (implicit_bit - 1);
    const int biased = static_cast<int>(bits >> fraction_bits & 0x7ff);
    if (biased == 0x7ff && fraction != 0) return static_cast<char*>(std::memcpy(out, "nan", 3)) + 3;
    *out = '-';
    out += bits >> 63;
    if (biased == 0x7ff) return static_cast<char*>(std::memcpy(out, "inf", 3)) + 3;
    if (biased == 0 && fraction == 0) return static_cast<char*>(std::memcpy(out, "0.0", 3)) + 3;
    const Digits digits(shortest(fraction, biased));
    if (digits.exponent >= 0 && digits.exponent < 16) {
        const int whole = digits.exponent + 1;
        digits.write(out, whole);
        return out + 1 + (digits.count > whole ? digits.count : whole + 1);
    }
    if (digits.exponent < 0 && digits.exponent >= -4) {
        std::memcpy(out, "0.000", 5);
        out += 1 - digits.exponent;
        digits.write(out);
        return out + digits.count;
    }
    digits.write(out, 1);
    out += digits.count > 1 ? digits.count + 1 : 1;
    *out++ = 'e';
    *out++ = digits.exponent < 0 ? '-' : '+';
    const int size = digits.exponent < 0 ? -digits.exponent : digits.exponent;
    if (size >= 100) *out++ = static_cast<char>('0' + size / 100);
    *out++ = static_cast<char>('0' + size / 10 % 10);
    *out++ = static_cast<char>('0' + size % 10);
    return out;
}

// At least as many bytes as `write` needs for a value with `decimals` digits after its point.
std::size_t most_bytes(double value, std::int64_t decimals) {
    if (decimals < 0 || !std::isfinite(value)) return longest_float;
    int exponent;
    std::frexp(value, &exponent);
    const int whole_digits = exponent > 0 ? exponent / 3 + 1 : 1;
    return static_cast<std::size_t>(whole_digits + decimals) + 2;  // a sign and a point
}

// Writes a float with `decimals` digits after its point; if negative, the shortest digits.
char* write(char* out, double value, std::int64_t decimals) {
    if (decimals < 0 || !std::isfinite(value)) return write(out, value);
    return std::to_chars(out, out + most_bytes(value, decimals), value, std::chars_format::fixed,
                         static_cast<int>(decimals))
        .ptr;
}

char* write(char* out, std::int64_t value) {
    return std::to_chars(out, out + longest_integer, value).ptr;
}

}  // namespace
}  // namespace numbers
