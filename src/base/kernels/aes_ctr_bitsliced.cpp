// AES-256 without tables and without AES instructions, eight blocks at a time: vector i holds bit i of every byte, so
// that byte p of it has bit i of byte p of the eight states, block b in its bit b. The substitution is then a circuit
// of gates, the same for all bytes (J. Boyar, R. Peralta, A small depth-16 circuit for the AES S-box, 2011), and
// nothing depends on what is encrypted.
#include <cstring>

#include "base/kernels/aes_ctr.h"
#include "base/secret.h"

namespace flash::kernels {

namespace {

constexpr int kRounds = 14, kLanes = 8;

typedef std::uint8_t Bytes __attribute__((vector_size(16)));
typedef std::uint64_t Words __attribute__((vector_size(16)));

inline Words all(std::uint8_t byte) {
    const std::uint64_t word = 0x0101010101010101 * byte;
    return Words{word, word};
}

/// Exchanges the bits of x at 2^k positions above the mask's with those of y at the mask's.
inline void exchange(Words& x, Words& y, std::uint8_t mask, int distance) {
    const Words different = ((x >> distance) ^ y) & all(mask);
    y ^= different;
    x ^= different << distance;
}

/// From eight blocks to eight planes of bits, and back.
inline void transpose(Words (&x)[kLanes]) {
    for (int i = 0; i < kLanes; i += 2) exchange(x[i], x[i + 1], 0x55, 1);
    for (int i : {0, 1, 4, 5}) exchange(x[i], x[i + 2], 0x33, 2);
    for (int i = 0; i < 4; ++i) exchange(x[i], x[i + 4], 0x0f, 4);
}

inline void substitute(Words (&q)[kLanes]) {
    const Words x0 = q[7], x1 = q[6], x2 = q[5], x3 = q[4], x4 = q[3], x5 = q[2], x6 = q[1], x7 = q[0];
    // To a tower of fields, where the inverse is cheap.
    const Words y14 = x3 ^ x5, y13 = x0 ^ x6, y9 = x0 ^ x3, y8 = x0 ^ x5, t0 = x1 ^ x2, y1 = t0 ^ x7, y4 = y1 ^ x3,
                y12 = y13 ^ y14, y2 = y1 ^ x0, y5 = y1 ^ x6, y3 = y5 ^ y8, t1 = x4 ^ y12, y15 = t1 ^ x5, y20 = t1 ^ x1,
                y6 = y15 ^ x7, y10 = y15 ^ t0, y11 = y20 ^ y9, y7 = x7 ^ y11, y17 = y10 ^ y11, y19 = y10 ^ y8,
                y16 = t0 ^ y11, y21 = y13 ^ y16, y18 = x0 ^ y16;
    // The inverse.
    const Words t2 = y12 & y15, t4 = (y3 & y6) ^ t2, t6 = (y4 & x7) ^ t2, t7 = y13 & y16, t9 = (y5 & y1) ^ t7,
                t11 = (y2 & y7) ^ t7, t12 = y9 & y11, t14 = (y14 & y17) ^ t12, t16 = (y8 & y10) ^ t12,
                t21 = t4 ^ t14 ^ y20, t22 = t6 ^ t16 ^ y19, t23 = t9 ^ t14 ^ y21, t24 = t11 ^ t16 ^ y18,
                t25 = t21 ^ t22, t26 = t21 & t23, t27 = t24 ^ t26, t29 = (t25 & t27) ^ t22, t30 = t23 ^ t24,
                t31 = t22 ^ t26, t33 = (t31 & t30) ^ t24, t34 = t23 ^ t33, t35 = t27 ^ t33, t36 = t24 & t35,
                t37 = t36 ^ t34, t38 = t27 ^ t36, t40 = t25 ^ (t29 & t38), t41 = t40 ^ t37, t42 = t29 ^ t33,
                t43 = t29 ^ t40, t44 = t33 ^ t37, t45 = t42 ^ t41;
    const Words z0 = t44 & y15, z1 = t37 & y6, z2 = t33 & x7, z3 = t43 & y16, z4 = t40 & y1, z5 = t29 & y7,
                z6 = t42 & y11, z7 = t45 & y17, z8 = t41 & y10, z9 = t44 & y12, z10 = t37 & y3, z11 = t33 & y4,
                z12 = t43 & y13, z13 = t40 & y5, z14 = t29 & y2, z15 = t42 & y9, z16 = t45 & y14, z17 = t41 & y8;
    // Back, with the affine map.
    const Words t46 = z15 ^ z16, t47 = z10 ^ z11, t48 = z5 ^ z13, t49 = z9 ^ z10, t50 = z2 ^ z12, t51 = z2 ^ z5,
                t52 = z7 ^ z8, t53 = z0 ^ z3, t54 = z6 ^ z7, t55 = z16 ^ z17, t56 = z12 ^ t48, t57 = t50 ^ t53,
                t58 = z4 ^ t46, t59 = z3 ^ t54, t60 = t46 ^ t57, t61 = z14 ^ t57, t62 = t52 ^ t58, t63 = t49 ^ t58,
                t64 = z4 ^ t59, t65 = t61 ^ t62, t66 = z1 ^ t63, t67 = t64 ^ t65, s3 = t53 ^ t66;
    q[7] = t59 ^ t63;
    q[6] = t64 ^ ~s3;
    q[5] = t55 ^ ~t67;
    q[4] = s3;
    q[3] = t51 ^ t66;
    q[2] = t47 ^ t65;
    q[1] = t56 ^ ~t62;
    q[0] = t48 ^ ~t60;
}

// Byte r of column c stands at 4 c + r.
inline Words shift_rows(Words x) {
    const Bytes b = reinterpret_cast<Bytes>(x);
    return reinterpret_cast<Words>(__builtin_shufflevector(b, b, 0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11));
}
/// The same, and then every byte gets the one below it in its column.
inline Words shift_rows_and_turn(Words x) {
    const Bytes b = reinterpret_cast<Bytes>(x);
    return reinterpret_cast<Words>(__builtin_shufflevector(b, b, 5, 10, 15, 0, 9, 14, 3, 4, 13, 2, 7, 8, 1, 6, 11, 12));
}
inline Words turn_twice(Words x) {
    const Bytes b = reinterpret_cast<Bytes>(x);
    return reinterpret_cast<Words>(__builtin_shufflevector(b, b, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
}

/// 2 (a_r + a_(r+1)) + a_(r+1) + (a_(r+2) + a_(r+3)) for the rows of the shifted state.
inline void shift_rows_and_mix_columns(Words (&x)[kLanes]) {
    Words turned[kLanes], sum[kLanes];
    for (int i = 0; i < kLanes; ++i) {
        turned[i] = shift_rows_and_turn(x[i]);
        sum[i] = shift_rows(x[i]) ^ turned[i];
    }
    for (int i = 0; i < kLanes; ++i) {
        x[i] = turned[i] ^ turn_twice(sum[i]) ^ sum[(i + 7) % kLanes];
        if (i == 1 || i == 3 || i == 4) x[i] ^= sum[7];  // the field's polynomial is x^8 + x^4 + x^3 + x + 1
    }
}

inline void add(Words (&x)[kLanes], const Words* round_key) {
    for (int i = 0; i < kLanes; ++i) x[i] ^= round_key[i];
}

/// Of 16 bytes, the same for all blocks: a plane has all bits of a byte or none.
void spread(const std::uint8_t* key, Words* planes) {
    Words bytes;
    std::memcpy(&bytes, key, sizeof bytes);
    for (int i = 0; i < kLanes; ++i) {
        Words bit = (bytes >> i) & all(1);
        for (int distance = 1; distance < 8; distance *= 2) bit |= bit << distance;
        planes[i] = bit;
    }
}

/// The substituted bytes of a word, each by the circuit.
std::uint32_t substitute_word(std::uint32_t word) {
    Words x[kLanes] = {};
    x[0][0] = word;
    transpose(x);
    substitute(x);
    transpose(x);
    const auto result = static_cast<std::uint32_t>(x[0][0]);
    wipe(x, sizeof x);
    return result;
}

void encrypt(const Words* round_keys, Words (&x)[kLanes]) {
    transpose(x);
    add(x, round_keys);
    for (int round = 1; round < kRounds; ++round) {
        substitute(x);
        shift_rows_and_mix_columns(x);
        add(x, round_keys + kLanes * round);
    }
    substitute(x);
    for (Words& plane : x) plane = shift_rows(plane);
    add(x, round_keys + kLanes * kRounds);
    transpose(x);
}

}  // namespace

void aes256_expand_bitsliced(AesKey& key) {
    constexpr int kWords = 8;
    std::uint32_t words[4 * (kRounds + 1)];
    std::memcpy(words, key.bytes, 4 * kWords);
    std::uint32_t constant = 1;
    for (int i = kWords; i < 4 * (kRounds + 1); ++i) {
        std::uint32_t word = words[i - 1];
        if (i % kWords == 0) {
            // Little-endian: the first byte is the lowest.
            word = substitute_word(word >> 8 | word << 24) ^ constant;
            constant *= 2;
        } else if (i % kWords == 4) {
            word = substitute_word(word);
        }
        words[i] = words[i - kWords] ^ word;
    }
    std::memcpy(key.bytes, words, sizeof words);
    wipe(words, sizeof words);
}

void aes256_ctr_bitsliced(const AesKey& key, std::uint64_t index, std::uint64_t block, std::uint8_t* out,
                          std::size_t blocks) {
    Words round_keys[kLanes * (kRounds + 1)], x[kLanes];
    for (int round = 0; round <= kRounds; ++round) spread(key.bytes + 16 * round, round_keys + kLanes * round);
    const std::uint64_t upper = __builtin_bswap64(index);
    for (; blocks; block += kLanes) {
        for (int i = 0; i < kLanes; ++i) x[i] = Words{upper, __builtin_bswap64(block + static_cast<std::uint64_t>(i))};
        encrypt(round_keys, x);
        const std::size_t count = blocks < kLanes ? blocks : kLanes;
        std::memcpy(out, x, 16 * count);
        out += 16 * count;
        blocks -= count;
    }
    wipe(round_keys, sizeof round_keys);
    wipe(x, sizeof x);
}

}  // namespace flash::kernels
