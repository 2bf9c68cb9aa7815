// The algebra of activations: products, sums and rewriting agree with the values of the polynomials.
#include "compiler/curve.h"

#include <gtest/gtest.h>

namespace flash::compiler {
namespace {

double at(const Quadratic& p, std::size_t c, double x) { return (p.a[c] * x + p.b[c]) * x + p.c[c]; }

const Quadratic kLine{{0, 0}, {2, -1}, {0.5, 3}}, kSquare{{1, -0.5}, {3, 1}, {-2, 0.25}};

TEST(Quadratic, SumsAndProductsAreThoseOfTheValues) {
    const Quadratic sum = add(kSquare, kLine, -1), product = multiply(kLine, kLine).value();
    for (std::size_t c = 0; c < 2; ++c)
        for (double x : {-2.0, 0.0, 0.75}) {
            EXPECT_DOUBLE_EQ(at(sum, c, x), at(kSquare, c, x) - at(kLine, c, x));
            EXPECT_DOUBLE_EQ(at(product, c, x), at(kLine, c, x) * at(kLine, c, x));
        }
    EXPECT_TRUE(quadratic(product));
    EXPECT_FALSE(quadratic(unit(2)));
}

TEST(Quadratic, DegreeThreeIsNoProduct) {
    EXPECT_FALSE(multiply(kSquare, kLine));
    EXPECT_FALSE(multiply(kLine, kSquare));
    EXPECT_FALSE(multiply(kSquare, kSquare));
    EXPECT_TRUE(multiply(kSquare, {{0, 0}, {0, 0}, {2, 3}})) << "a constant";
}

TEST(Quadratic, RelationsAreFoundWhereOneIsALineOfTheOther) {
    Quadratic scaled = kSquare;
    rescale(scaled, std::vector<double>{2, -3}, std::vector<double>{0, 1});
    const Relation relation = relate(scaled, kSquare).value();
    EXPECT_EQ(relation.scale, (std::vector<double>{2, -3}));
    EXPECT_EQ(relation.shift, (std::vector<double>{0, 1}));
    EXPECT_TRUE(relation.shifted());
    EXPECT_FALSE(relate(kSquare, kSquare)->shifted());
    EXPECT_FALSE(relate(add(kSquare, kLine, 1), kSquare));
}

TEST(Quadratic, PartsAreAlignedOnTheExpressionThatIsAPolynomialOfTheOther) {
    // Expression 7 is kSquare of expression 3.
    const auto origin_of = [](int base) { return base == 7 ? std::optional<Part>({3, kSquare}) : std::nullopt; };
    Part left{3, add(kSquare, kSquare, 1)}, right{7, unit(2)};
    align(left, right, origin_of);
    EXPECT_EQ(left, (Part{7, Quadratic{{0, 0}, {2, 2}, {0, 0}}}));
    EXPECT_EQ(right, (Part{7, unit(2)}));
    Part other{3, kLine};
    align(right, other, origin_of);
    EXPECT_EQ(other.base, 3) << "x is no function of its own square";
}

}  // namespace
}  // namespace flash::compiler
