#include "model/arithmetic.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "base/error.h"
#include "sample_model.h"

namespace flash::model {
namespace {

TEST(Arithmetic, Centre) {
    EXPECT_EQ(centre(0, 7), 0);
    EXPECT_EQ(centre(3, 7), 3);
    EXPECT_EQ(centre(4, 7), -3);
    EXPECT_EQ(centre(-4, 7), 3);
    EXPECT_EQ(centre(-700000000003, 7), -3);
}

TEST(Arithmetic, ShareLimit) {
    EXPECT_EQ(share_limit(9), 126);
    EXPECT_EQ(share_limit(16), 16382);
}

TEST(Arithmetic, QuantiseInputRoundsAndClamps) {
    const Architecture a = testing::sample_model().architecture;
    std::vector<float> pixels(static_cast<std::size_t>(a.input.size()), 0.0f);
    pixels[0] = 0.126f;
    pixels[1] = -5.0f;
    pixels[2] = 1e30f;
    const std::vector<std::int32_t> y = quantise_input(a, pixels);
    EXPECT_EQ(y[0], 13);
    EXPECT_EQ(y[1], -100);
    EXPECT_EQ(y[2], 100);
    pixels[5] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_THROW(quantise_input(a, pixels), Error);
    pixels.pop_back();
    EXPECT_THROW(quantise_input(a, pixels), Error);
}

TEST(Arithmetic, SumPoolOnSharesAgreesWithClearValues) {
    std::mt19937_64 random(3);
    const std::vector<std::uint32_t> moduli{16760833, 16744449, 1040387};  // of the three channels
    const Shape shape{3, 7, 5};
    for (const Window& window :
         {Window{2, 2, 2, 2}, Window{3, 3, 2, 1, 1, 1, 1, 1}, Window{7, 5}, Window{2, 4, 1, 3, 0, 2, 1, 1}}) {
        std::vector<std::int64_t> clear(static_cast<std::size_t>(shape.size()));
        std::vector<std::uint32_t> first(clear.size()), second(clear.size());
        for (std::size_t i = 0; i < clear.size(); ++i) {
            const std::uint32_t modulus = moduli[i / 35];
            clear[i] = static_cast<std::int64_t>(random() % 20001) - 10000;
            first[i] = static_cast<std::uint32_t>(random() % modulus);
            second[i] = static_cast<std::uint32_t>(
                (static_cast<std::uint64_t>(clear[i] + modulus) + modulus - first[i]) % modulus);
        }
        const auto count =
            static_cast<std::size_t>(shape.channels * window.out_height(shape.height) * window.out_width(shape.width));
        std::vector<std::int64_t> pooled(count);
        std::vector<std::uint32_t> a(count), b(count);
        sum_pool(clear, shape, window, pooled);
        sum_pool(first, shape, window, moduli, a);
        sum_pool(second, shape, window, moduli, b);
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint32_t modulus = moduli[i * 3 / count];
            EXPECT_LT(a[i], modulus);
            EXPECT_EQ(centre(std::int64_t{a[i]} + b[i], modulus), pooled[i]);
        }
        EXPECT_THROW(sum_pool(first, shape, window, std::span(moduli).first(2), a), Error);
        EXPECT_THROW(sum_pool(clear, shape, window, std::span(pooled).first(count - 1)), Error);
    }
}

}  // namespace
}  // namespace flash::model
