#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string>

#include "support/onnx_reference_array.h"

namespace flash::testing::reference {

I total(const Dims& dims) { return std::accumulate(dims.begin(), dims.end(), I{1}, std::multiplies<>()); }

template <class T>
void read_raw(const onnx::TensorProto& t, Array& a) {
    std::vector<T> x(U(total(a.dims)));
    if (t.raw_data().size() != x.size() * sizeof(T)) throw std::runtime_error("reference: tensor size");
    std::memcpy(x.data(), t.raw_data().data(), t.raw_data().size());
    a.v.assign(x.begin(), x.end());
}

Array from_proto(const onnx::TensorProto& t) {
    Array a;
    a.dims.assign(t.dims().begin(), t.dims().end());
    a.integer = t.data_type() != onnx::TensorProto::FLOAT;
    if (t.has_raw_data() && t.data_type() == onnx::TensorProto::FLOAT)
        read_raw<float>(t, a);
    else if (t.has_raw_data() && t.data_type() == onnx::TensorProto::INT64)
        read_raw<I>(t, a);
    else if (t.has_raw_data())
        throw std::runtime_error("reference: tensor type");
    else if (t.data_type() == onnx::TensorProto::FLOAT)
        a.v.assign(t.float_data().begin(), t.float_data().end());
    else if (t.data_type() == onnx::TensorProto::INT64)
        a.v.assign(t.int64_data().begin(), t.int64_data().end());
    else
        a.v.assign(t.int32_data().begin(), t.int32_data().end());
    if (a.v.size() != U(total(a.dims))) throw std::runtime_error("reference: tensor size");
    return a;
}

const onnx::AttributeProto* find(const onnx::NodeProto& n, const char* name) {
    for (const auto& a : n.attribute())
        if (a.name() == name) return &a;
    return nullptr;
}
I get_i(const onnx::NodeProto& n, const char* name, I fallback) {
    const auto* a = find(n, name);
    return a ? a->i() : fallback;
}
double get_f(const onnx::NodeProto& n, const char* name, double fallback) {
    const auto* a = find(n, name);
    return a ? double{a->f()} : fallback;
}
Dims get_list(const onnx::NodeProto& n, const char* name, Dims fallback) {
    const auto* a = find(n, name);
    return a ? Dims(a->ints().begin(), a->ints().end()) : fallback;
}
Dims list(const onnx::NodeProto& n, const Inputs& in, std::size_t index, const char* name) {
    if (index >= in.size() || !in[index]) return get_list(n, name, {});
    Dims out;
    for (double value : in[index]->v)
        out.push_back(std::abs(value) > 1e18 ? (value > 0 ? I{1} << 60 : -(I{1} << 60)) : static_cast<I>(value));
    return out;
}

double at(const Array& x, const Dims& coordinates) {
    I index = 0;
    for (std::size_t i = 0; i < x.dims.size(); ++i) {
        const I c = coordinates[coordinates.size() - x.dims.size() + i];
        index = index * x.dims[i] + (x.dims[i] == 1 ? 0 : c);
    }
    return x.v[U(index)];
}

namespace {

using Results = std::vector<Array>;

I axis_of(const onnx::NodeProto& n, I fallback, std::size_t rank) {
    const I axis = get_i(n, "axis", fallback);
    return axis < 0 ? axis + static_cast<I>(rank) : axis;
}

/// out[c] = x[where(c)].
template <class Where>
Array moved(const Array& x, Dims dims, Where&& where) {
    Array out{std::move(dims), {}, x.integer};
    for_each(out.dims, [&](const Dims& c) { out.v.push_back(at(x, where(c))); });
    return out;
}

Array slice(const onnx::NodeProto& n, const Inputs& in) {
    const Array& x = *in[0];
    const Dims starts = list(n, in, 1, "starts"), ends = list(n, in, 2, "ends"), steps = list(n, in, 4, "steps");
    Dims axes = list(n, in, 3, "axes"), first(x.dims.size(), 0), step(x.dims.size(), 1), dims = x.dims;
    for (std::size_t i = 0; axes.size() < starts.size(); ++i) axes.push_back(static_cast<I>(i));
    for (std::size_t i = 0; i < starts.size(); ++i) {
        const std::size_t axis = U(axes[i] < 0 ? axes[i] + static_cast<I>(x.dims.size()) : axes[i]);
        const I extent = x.dims[axis];
        step[axis] = steps.empty() ? 1 : steps[i];
        I a = starts[i] < 0 ? starts[i] + extent : starts[i], b = ends[i] < 0 ? ends[i] + extent : ends[i];
        if (step[axis] > 0) {
            a = std::clamp<I>(a, 0, extent);
            b = std::clamp<I>(b, 0, extent);
        } else {
            a = std::clamp<I>(a, 0, extent - 1);
            b = std::clamp<I>(b, -1, extent - 1);
        }
        first[axis] = a;
        dims[axis] = 0;
        for (I k = a; step[axis] > 0 ? k < b : k > b; k += step[axis]) ++dims[axis];
    }
    return moved(x, dims, [&](Dims c) {
        for (std::size_t i = 0; i < c.size(); ++i) c[i] = first[i] + c[i] * step[i];
        return c;
    });
}

Results split(const onnx::NodeProto& n, const Inputs& in) {
    const Array& x = *in[0];
    const std::size_t axis = U(axis_of(n, 0, x.dims.size()));
    Dims sizes = list(n, in, 1, "split");
    if (sizes.empty()) {
        const I parts = n.output_size(), each = (x.dims[axis] + parts - 1) / parts;
        for (I left = x.dims[axis]; left > 0; left -= each) sizes.push_back(std::min(left, each));
    }
    Results parts;
    I first = 0;
    for (I size : sizes) {
        Dims dims = x.dims;
        dims[axis] = size;
        parts.push_back(moved(x, dims, [&](Dims c) {
            c[axis] += first;
            return c;
        }));
        first += size;
    }
    return parts;
}

Array concat(const onnx::NodeProto& n, const Inputs& in) {
    const std::size_t axis = U(axis_of(n, 0, in[0]->dims.size()));
    Array out = *in[0];
    out.dims[axis] = 0;
    for (const Array* x : in) out.dims[axis] += x->dims[axis];
    out.v.clear();
    for_each(out.dims, [&](Dims c) {
        std::size_t k = 0;
        for (; c[axis] >= in[k]->dims[axis]; ++k) c[axis] -= in[k]->dims[axis];
        out.v.push_back(at(*in[k], c));
    });
    return out;
}

Array gather(const onnx::NodeProto& n, const Array& x, const Array& indices) {
    const std::size_t axis = U(axis_of(n, 0, x.dims.size())), extra = indices.dims.size();
    Dims dims(x.dims.begin(), x.dims.begin() + static_cast<std::ptrdiff_t>(axis));
    dims.insert(dims.end(), indices.dims.begin(), indices.dims.end());
    dims.insert(dims.end(), x.dims.begin() + static_cast<std::ptrdiff_t>(axis) + 1, x.dims.end());
    return moved(x, dims, [&](const Dims& c) {
        const auto begin = c.begin() + static_cast<std::ptrdiff_t>(axis),
                   end = begin + static_cast<std::ptrdiff_t>(extra);
        const I index = static_cast<I>(at(indices, Dims(begin, end)));
        Dims from(c.begin(), begin);
        from.push_back(index < 0 ? index + x.dims[axis] : index);
        from.insert(from.end(), end, c.end());
        return from;
    });
}

Dims reshaped(const Dims& from, Dims to, bool allow_zero) {
    for (std::size_t i = 0; i < to.size(); ++i)
        if (to[i] == 0 && !allow_zero) to[i] = from[i];
    I known = 1;
    for (I d : to) known *= d == -1 ? 1 : d;
    for (I& d : to)
        if (d == -1) d = total(from) / known;
    return to;
}

Dims unsqueezed(const Dims& from, const Dims& axes) {
    Dims out(from.size() + axes.size(), 0);
    for (I axis : axes) out[U(axis < 0 ? axis + static_cast<I>(out.size()) : axis)] = 1;
    auto next = from.begin();
    for (I& d : out)
        if (d == 0) d = *next++;
    return out;
}

Dims squeezed(const Dims& from, const Dims& axes) {
    Dims out;
    for (std::size_t i = 0; i < from.size(); ++i) {
        bool drop = axes.empty() && from[i] == 1;
        for (I axis : axes) drop = drop || (axis < 0 ? axis + static_cast<I>(from.size()) : axis) == static_cast<I>(i);
        if (!drop) out.push_back(from[i]);
    }
    return out;
}

Array pad(const onnx::NodeProto& n, const Inputs& in) {
    const Array& x = *in[0];
    const std::size_t rank = x.dims.size();
    const Dims given = list(n, in, 1, "pads");
    const double value = in.size() > 2 && in[2] ? in[2]->v[0] : get_f(n, "value", 0);
    Dims axes = in.size() > 3 ? list(n, in, 3, "axes") : Dims{};
    for (std::size_t i = 0; axes.size() < given.size() / 2; ++i) axes.push_back(static_cast<I>(i));
    Dims before(rank, 0), dims = x.dims;
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const std::size_t axis = U(axes[i] < 0 ? axes[i] + static_cast<I>(rank) : axes[i]);
        before[axis] = given[i];
        dims[axis] += given[i] + given[axes.size() + i];
    }
    Array out{dims, {}, x.integer};
    for_each(dims, [&](Dims c) {
        bool inside = true;
        for (std::size_t i = 0; i < rank; ++i) {
            c[i] -= before[i];
            inside = inside && c[i] >= 0 && c[i] < x.dims[i];
        }
        out.v.push_back(inside ? at(x, c) : value);
    });
    return out;
}

Array expand(const Array& x, Dims dims) {
    while (dims.size() < x.dims.size()) dims.insert(dims.begin(), 1);
    for (std::size_t i = 0; i < x.dims.size(); ++i) {
        I& d = dims[dims.size() - x.dims.size() + i];
        d = std::max(d, x.dims[i]);
    }
    return moved(x, dims, [](const Dims& c) { return c; });
}

Array transpose(const Array& x, Dims perm) {
    for (std::size_t i = x.dims.size(); perm.size() < x.dims.size();) perm.push_back(static_cast<I>(--i));
    Dims dims;
    for (I axis : perm) dims.push_back(x.dims[U(axis)]);
    return moved(x, dims, [&](const Dims& c) {
        Dims from(c.size());
        for (std::size_t i = 0; i < c.size(); ++i) from[U(perm[i])] = c[i];
        return from;
    });
}

Array shape_of(const onnx::NodeProto& n, const Array& x) {
    const I rank = static_cast<I>(x.dims.size());
    I start = get_i(n, "start", 0), end = get_i(n, "end", rank);
    start = std::clamp<I>(start < 0 ? start + rank : start, 0, rank);
    end = std::clamp<I>(end < 0 ? end + rank : end, 0, rank);
    Array out{{}, {}, true};
    for (I i = start; i < end; ++i) out.v.push_back(static_cast<double>(x.dims[U(i)]));
    out.dims = {static_cast<I>(out.v.size())};
    return out;
}

}  // namespace

std::optional<Results> evaluate_shape_operator(const onnx::NodeProto& n, const Inputs& in) {
    const std::string& op = n.op_type();
    if (op == "Constant") return Results{from_proto(find(n, "value")->t())};
    const Array& x = *in.at(0);
    const auto with = [&](Dims dims) { return Results{{std::move(dims), x.v, x.integer}}; };
    if (op == "Flatten") {
        const I axis = axis_of(n, 1, x.dims.size());
        const I rows = total(Dims(x.dims.begin(), x.dims.begin() + axis));
        return with({rows, total(x.dims) / rows});
    }
    if (op == "Reshape") return with(reshaped(x.dims, list(n, in, 1, "shape"), get_i(n, "allowzero", 0) != 0));
    if (op == "Squeeze") return with(squeezed(x.dims, list(n, in, 1, "axes")));
    if (op == "Unsqueeze") return with(unsqueezed(x.dims, list(n, in, 1, "axes")));
    if (op == "Transpose") return Results{transpose(x, get_list(n, "perm", {}))};
    if (op == "Concat") return Results{concat(n, in)};
    if (op == "Pad") return Results{pad(n, in)};
    if (op == "Slice") return Results{slice(n, in)};
    if (op == "Split") return split(n, in);
    if (op == "Gather") return Results{gather(n, x, *in.at(1))};
    if (op == "Expand") return Results{expand(x, list(n, in, 1, ""))};
    if (op == "Shape") return Results{shape_of(n, x)};
    if (op == "Size") return Results{{{}, {static_cast<double>(x.v.size())}, true}};
    if (op == "ConstantOfShape") {
        const Dims dims = list(n, in, 0, "");
        const Array value = find(n, "value") ? from_proto(find(n, "value")->t()) : Array{{1}, {0}};
        return Results{{dims, std::vector<double>(U(total(dims)), value.v[0]), value.integer}};
    }
    if (op == "Range") {
        Array out{{}, {}, x.integer};
        const double limit = in.at(1)->v[0], delta = in.at(2)->v[0];
        for (double value = x.v[0]; delta > 0 ? value < limit : value > limit; value += delta) out.v.push_back(value);
        out.dims = {static_cast<I>(out.v.size())};
        return Results{out};
    }
    if (op == "Cast") {
        const I to = get_i(n, "to", 1);
        Array out = x;
        out.integer = to != onnx::TensorProto::FLOAT && to != onnx::TensorProto::DOUBLE;
        for (double& value : out.v) value = out.integer ? std::trunc(value) : value;
        return Results{out};
    }
    if (op == "CastLike" || op == "Identity" || op == "Dropout") return Results{x};
    return std::nullopt;
}

}  // namespace flash::testing::reference
