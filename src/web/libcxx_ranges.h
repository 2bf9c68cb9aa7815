// Included before every source of the web build: the algorithms of std::ranges that the client uses, which Emscripten's
// C++ library (LLVM 13's) does not have yet. Iterators, sentinels and projections are left out, as nobody needs them.
#pragma once

#include <algorithm>
#include <iterator>
#include <version>

#if !defined(__cpp_lib_ranges)

namespace std::ranges {

template <class Range, class Output>
constexpr void copy(Range&& range, Output out) {
    std::copy(std::begin(range), std::end(range), out);
}
template <class Range, class Value>
constexpr void fill(Range&& range, const Value& value) {
    std::fill(std::begin(range), std::end(range), value);
}
template <class Range, class Value>
constexpr auto find(Range&& range, const Value& value) {
    return std::find(std::begin(range), std::end(range), value);
}
template <class Range, class Value>
constexpr auto count(Range&& range, const Value& value) {
    return std::count(std::begin(range), std::end(range), value);
}
template <class Range, class Predicate>
constexpr auto count_if(Range&& range, Predicate predicate) {
    return std::count_if(std::begin(range), std::end(range), predicate);
}
template <class Range, class Predicate>
constexpr bool all_of(Range&& range, Predicate predicate) {
    return std::all_of(std::begin(range), std::end(range), predicate);
}
template <class Range, class Predicate>
constexpr bool any_of(Range&& range, Predicate predicate) {
    return std::any_of(std::begin(range), std::end(range), predicate);
}
template <class First, class Second>
constexpr bool equal(First&& first, Second&& second) {
    return std::equal(std::begin(first), std::end(first), std::begin(second), std::end(second));
}
template <class Range>
constexpr auto minmax(Range&& range) {
    struct Bounds {
        typename std::iterator_traits<decltype(std::begin(range))>::value_type min, max;
    };
    const auto [min, max] = std::minmax_element(std::begin(range), std::end(range));
    return Bounds{*min, *max};
}

}  // namespace std::ranges

#endif
