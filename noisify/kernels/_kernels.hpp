// The kernels of elementary.py: the same operations in the same order, so the same bits.
//
// Compile with -ffp-contract=off (/fp:strict): nothing may be fused.

#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include "_kernel_tables.hpp"

namespace kernels {

inline std::uint64_t bits_of(double number) {
    std::uint64_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    return bits;
}

inline double number_of(std::uint64_t bits) {
    double number;
    std::memcpy(&number, &bits, sizeof number);
    return number;
}

constexpr int significand_bits = 52;
constexpr std::uint64_t significand = (std::uint64_t{1} << significand_bits) - 1;
constexpr int step_bits = 7;
constexpr std::uint64_t step = (std::uint64_t{1} << step_bits) - 1;

// 2**exponent, within the range of normal numbers.
inline double power_of_two(std::int64_t exponent) {
    return number_of(static_cast<std::uint64_t>(exponent + 1023) << significand_bits);
}

inline double exp(double x) {
    constexpr double integer = 6755399441055744.0;  // 1.5 * 2**52
    x = x > -746.0 ? x : x == x ? -746.0 : x;
    x = x < 710.0 ? x : x == x ? 710.0 : x;
    const double shifted = x * EXP_STEPS + integer;
    const std::uint64_t steps = bits_of(shifted);
    const double k = shifted - integer;
    const double r = (x - k * EXP_STEP_HIGH) - k * EXP_STEP_LOW;
    const double rest =
        r + (r * r) * (EXP_REST[3] + r * (EXP_REST[2] + r * (EXP_REST[1] + r * EXP_REST[0])));
    const std::uint64_t entry = steps & step;
    const double high = EXP_HIGH[entry];
    const double value = high + (EXP_LOW[entry] + high * rest);
    const std::int64_t power =
        static_cast<std::int64_t>(steps << (64 - significand_bits)) >>
        (64 - significand_bits + step_bits);
    const std::int64_t first = power >> 1;
    return value * power_of_two(first) * power_of_two(power - first);
}

inline double log(double x) {
    constexpr std::uint64_t infinity = std::uint64_t{0x7FF} << significand_bits;
    constexpr std::uint64_t first = std::uint64_t{0x3FE6} << 48;  // 0.6875
    std::uint64_t bits = bits_of(x);
    double less = 0.0;
    if (bits - (significand + 1) >= infinity - (significand + 1)) {
        if (x == 0) return -std::numeric_limits<double>::infinity();
        if (!(x > 0)) return std::numeric_limits<double>::quiet_NaN();
        if (bits == infinity) return x;
        bits = bits_of(x * 4503599627370496.0);  // subnormal: times 2**52
        less = significand_bits;
    }
    const std::uint64_t above = bits - first;
    const std::uint64_t entry = (above >> (significand_bits - step_bits)) & step;
    const double k =
        static_cast<double>(static_cast<std::int64_t>(above) >> significand_bits) - less;
    const std::uint64_t z_bits = bits - (above & ~significand);
    const double z = number_of(z_bits);
    const double z_high = number_of(z_bits & ~((std::uint64_t{1} << 27) - 1));
    const double reciprocal = LOG_RECIPROCAL[entry];
    const double r = (z_high * reciprocal - 1.0) + (z - z_high) * reciprocal;
    const double whole = k * LOG_TWO_HIGH + LOG_HIGH[entry];
    const double high = whole + r;
    const double low = ((whole - high) + r) + (k * LOG_TWO_LOW + LOG_LOW[entry]);
    const double rest =
        LOG_REST[5] +
        r * (LOG_REST[4] +
             r * (LOG_REST[3] + r * (LOG_REST[2] + r * (LOG_REST[1] + r * LOG_REST[0]))));
    return high + (low + (r * r) * (r * rest - 0.5));
}

}  // namespace kernels
