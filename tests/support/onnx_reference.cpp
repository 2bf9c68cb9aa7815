#include "support/onnx_reference.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <stdexcept>

#include "support/onnx_reference_array.h"

namespace flash::testing {
namespace {

using namespace reference;

template <class Op>
Array elementwise(const Array& x, const Array& y, Op op) {
    const std::size_t rank = std::max(x.dims.size(), y.dims.size());
    Array out{{}, {}, x.integer && y.integer};
    for (std::size_t i = 0; i < rank; ++i) {
        const auto extent = [&](const Array& a) {
            return i + a.dims.size() < rank ? 1 : a.dims[i + a.dims.size() - rank];
        };
        if (extent(x) != extent(y) && extent(x) != 1 && extent(y) != 1)
            throw std::runtime_error("reference: broadcast");
        out.dims.push_back(extent(x) == 1 ? extent(y) : extent(x));
    }
    for_each(out.dims, [&](const Dims& c) { out.v.push_back(op(at(x, c), at(y, c))); });
    return out;
}

Array conv(const onnx::NodeProto& n, const Array& x, const Array& w, const Array* b) {
    const I H = x.dims[2], W = x.dims[3], O = w.dims[0], C = w.dims[1], kh = w.dims[2], kw = w.dims[3],
            group_outputs = O / get_i(n, "group", 1);
    const Dims s = get_list(n, "strides", {1, 1}), p = get_list(n, "pads", {0, 0, 0, 0}),
               d = get_list(n, "dilations", {1, 1});
    const I oh = (H + p[0] + p[2] - (kh - 1) * d[0] - 1) / s[0] + 1,
            ow = (W + p[1] + p[3] - (kw - 1) * d[1] - 1) / s[1] + 1;
    Array out{{1, O, oh, ow}, std::vector<double>(U(O * oh * ow))};
    for (I o = 0; o < O; ++o) {
        double* target = out.v.data() + o * oh * ow;
        for (I i = 0; i < oh * ow; ++i) target[i] = b ? b->v[U(o)] : 0;
        for (I c = 0; c < C; ++c)
            for (I i = 0; i < kh; ++i)
                for (I j = 0; j < kw; ++j) {
                    const double weight = w.v[U(((o * C + c) * kh + i) * kw + j)];
                    for (I y = 0; y < oh; ++y) {
                        const I sy = y * s[0] - p[0] + i * d[0];
                        if (sy < 0 || sy >= H) continue;
                        for (I q = 0; q < ow; ++q) {
                            const I sx = q * s[1] - p[1] + j * d[1];
                            if (sx >= 0 && sx < W)
                                target[y * ow + q] += weight * x.v[U(((o / group_outputs * C + c) * H + sy) * W + sx)];
                        }
                    }
                }
    }
    return out;
}

Array average(const Array& x, I kh, I kw, const Dims& s, const Dims& p, bool include_pad, bool ceil_mode = false) {
    const I C = x.dims[1], H = x.dims[2], W = x.dims[3];
    I oh = (H + p[0] + p[2] - kh) / s[0] + 1, ow = (W + p[1] + p[3] - kw) / s[1] + 1;
    if (ceil_mode && (H + p[0] + p[2] - kh) % s[0] != 0 && oh * s[0] < H + p[0]) ++oh;
    if (ceil_mode && (W + p[1] + p[3] - kw) % s[1] != 0 && ow * s[1] < W + p[1]) ++ow;
    Array out{{1, C, oh, ow}, {}};
    for (I c = 0; c < C; ++c)
        for (I y = 0; y < oh; ++y)
            for (I q = 0; q < ow; ++q) {
                double sum = 0;
                I count = 0;
                for (I i = 0; i < kh; ++i)
                    for (I j = 0; j < kw; ++j) {
                        const I sy = y * s[0] - p[0] + i, sx = q * s[1] - p[1] + j;
                        if (sy < 0 || sx < 0 || sy >= H || sx >= W) continue;
                        sum += x.v[U((c * H + sy) * W + sx)];
                        ++count;
                    }
                out.v.push_back(sum / static_cast<double>(include_pad ? kh * kw : count));
            }
    return out;
}

/// x [..., K] times w [K, N] or [N, K].
Array product(const Array& x, const Array& w, bool transposed, double alpha) {
    const I K = x.dims.back(), N = transposed ? w.dims[0] : w.dims[1];
    Array out{x.dims, {}};
    out.dims.back() = N;
    for (I row = 0; row < total(x.dims) / K; ++row)
        for (I j = 0; j < N; ++j) {
            double sum = 0;
            for (I k = 0; k < K; ++k) sum += x.v[U(row * K + k)] * w.v[U(transposed ? j * K + k : k * N + j)];
            out.v.push_back(alpha * sum);
        }
    return out;
}

Array reduce(const onnx::NodeProto& n, const Inputs& in, const std::string& op) {
    const Array& x = *in[0];
    const I rank = static_cast<I>(x.dims.size());
    Dims axes = list(n, in, 1, "axes"), kept = x.dims, dims;
    if (axes.empty() && get_i(n, "noop_with_empty_axes", 0) != 0) return x;
    for (I i = 0; axes.empty() && i < rank; ++i) kept[U(i)] = 1;
    for (I axis : axes) kept[U(axis < 0 ? axis + rank : axis)] = 1;
    std::vector<double> start(U(total(kept)), op == "ReduceProd" ? 1.0 : 0.0);
    Array out{kept, start, x.integer};
    for_each(x.dims, [&](const Dims& c) {
        I index = 0;
        for (std::size_t i = 0; i < c.size(); ++i) index = index * kept[i] + (kept[i] == 1 ? 0 : c[i]);
        if (op == "ReduceProd")
            out.v[U(index)] *= at(x, c);
        else
            out.v[U(index)] += at(x, c);
    });
    if (op == "ReduceMean")
        for (double& value : out.v) value *= static_cast<double>(total(kept)) / static_cast<double>(total(x.dims));
    if (get_i(n, "keepdims", 1) == 0) {
        for (std::size_t i = 0; i < kept.size(); ++i) {
            bool reduced = axes.empty();
            for (I axis : axes) reduced = reduced || (axis < 0 ? axis + rank : axis) == static_cast<I>(i);
            if (!reduced) dims.push_back(kept[i]);
        }
        out.dims = dims;
    }
    return out;
}

/// Over the last dimension, or what follows axis 1 of one row: the same for [1, K].
Array softmax(const Array& x, bool logarithm) {
    Array out = x;
    double sum = 0;
    for (double value : x.v) sum += std::exp(value);
    for (double& value : out.v) value = logarithm ? value - std::log(sum) : std::exp(value) / sum;
    return out;
}

Array batch_norm(const onnx::NodeProto& n, const Array& x, const std::vector<const Array*>& p) {
    Array out = x;
    const I C = x.dims[1], plane = total(x.dims) / C;
    for (I c = 0; c < C; ++c)
        for (I i = c * plane; i < (c + 1) * plane; ++i)
            out.v[U(i)] =
                (x.v[U(i)] - p[3]->v[U(c)]) / std::sqrt(p[4]->v[U(c)] + get_f(n, "epsilon", 1e-5)) * p[1]->v[U(c)] +
                p[2]->v[U(c)];
    return out;
}

std::vector<Array> evaluate_node(const onnx::NodeProto& n, const Inputs& in) {
    const std::string& op = n.op_type();
    if (auto moved = evaluate_shape_operator(n, in)) return *moved;
    const Array& x = *in.at(0);
    const auto all = [&](auto operation) {
        Array out = x;
        for (std::size_t i = 1; i < in.size(); ++i) out = elementwise(out, *in[i], operation);
        return out;
    };
    const auto each = [&](auto operation) {
        Array out = x;
        for (double& value : out.v) value = operation(value);
        return std::vector<Array>{out};
    };
    if (op == "Conv") return {conv(n, x, *in.at(1), in.size() > 2 ? in[2] : nullptr)};
    if (op == "BatchNormalization") return {batch_norm(n, x, in)};
    if (op == "Add" || op == "Sum") return {all(std::plus<>())};
    if (op == "Mean") {
        Array out = all(std::plus<>());
        for (double& value : out.v) value /= static_cast<double>(in.size());
        return {out};
    }
    if (op == "Sub") return {elementwise(x, *in.at(1), std::minus<>())};
    if (op == "Mul") return {elementwise(x, *in.at(1), std::multiplies<>())};
    if (op == "Div") {
        const bool integers = x.integer && in.at(1)->integer;
        return {elementwise(x, *in.at(1), [&](double a, double b) { return integers ? std::trunc(a / b) : a / b; })};
    }
    if (op == "Pow") return {elementwise(x, *in.at(1), [](double a, double b) { return std::pow(a, b); })};
    if (op == "Mod") return {elementwise(x, *in.at(1), [](double a, double b) { return a - b * std::floor(a / b); })};
    if (op == "Equal") return {elementwise(x, *in.at(1), [](double a, double b) { return a == b ? 1.0 : 0.0; })};
    if (op == "Where") {
        const Array chosen = elementwise(x, *in.at(1), [](double c, double a) { return c != 0 ? a : 0; });
        const Array other = elementwise(x, *in.at(2), [](double c, double a) { return c != 0 ? 0 : a; });
        return {elementwise(chosen, other, std::plus<>())};
    }
    if (op == "Sin") return each([](double a) { return std::sin(a); });
    if (op == "Cos") return each([](double a) { return std::cos(a); });
    if (op == "Neg") return each([](double a) { return -a; });
    if (op == "Sqrt") return each([](double a) { return std::sqrt(a); });
    if (op == "AveragePool") {
        const Dims k = get_list(n, "kernel_shape", {});
        return {average(x, k.at(0), k.at(1), get_list(n, "strides", {1, 1}), get_list(n, "pads", {0, 0, 0, 0}),
                        get_i(n, "count_include_pad", 0) != 0, get_i(n, "ceil_mode", 0) != 0)};
    }
    if (op == "GlobalAveragePool") return {average(x, x.dims[2], x.dims[3], {1, 1}, {0, 0, 0, 0}, true)};
    if (op.starts_with("Reduce")) return {reduce(n, in, op)};
    if (op == "Gemm") {
        Array out = product(x, *in.at(1), get_i(n, "transB", 0) != 0, get_f(n, "alpha", 1));
        if (in.size() > 2)
            out = elementwise(out, elementwise(*in[2], Array{{}, {get_f(n, "beta", 1)}}, std::multiplies<>()),
                              std::plus<>());
        return {out};
    }
    if (op == "MatMul") return {product(x, *in.at(1), false, 1)};
    if (op == "Softmax" || op == "LogSoftmax") return {softmax(x, op == "LogSoftmax")};
    if (op == "Clip") {
        const double low = in.size() > 1 ? in[1]->v[0] : get_f(n, "min", -1e300),
                     high = in.size() > 2 ? in[2]->v[0] : get_f(n, "max", 1e300);
        return each([&](double a) { return std::clamp(a, low, high); });
    }
    throw std::runtime_error("reference: operator " + op);
}

using Values = std::map<std::string, Array>;

onnx::ModelProto parse(std::span<const std::uint8_t> bytes) {
    onnx::ModelProto model;
    if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
        throw std::runtime_error("reference: not an ONNX file");
    return model;
}

Values start(const onnx::ModelProto& model, std::span<const float> image) {
    Values values;
    for (const auto& t : model.graph().initializer()) values[t.name()] = from_proto(t);
    Array input;
    for (const auto& d : model.graph().input(0).type().tensor_type().shape().dim())
        input.dims.push_back(d.has_dim_value() ? d.dim_value() : 1);
    input.v.assign(image.begin(), image.end());
    values[model.graph().input(0).name()] = input;
    return values;
}

void step(const onnx::NodeProto& n, Values& values) {
    Inputs in;
    for (const std::string& name : n.input()) in.push_back(name.empty() ? nullptr : &values.at(name));
    const std::vector<Array> results = evaluate_node(n, in);
    for (int i = 0; i < n.output_size() && U(i) < results.size(); ++i) values[n.output(i)] = results[U(i)];
}

}  // namespace

std::vector<double> evaluate_onnx(std::span<const std::uint8_t> bytes, std::span<const float> image,
                                  const std::function<void(const std::string&, const std::vector<double>&)>& visit) {
    const onnx::ModelProto model = parse(bytes);
    Values values = start(model, image);
    for (const auto& n : model.graph().node()) {
        step(n, values);
        if (visit) visit(n.output(0), values[n.output(0)].v);
    }
    return values.at(model.graph().output(0).name()).v;
}

std::vector<std::uint8_t> with_measured_batch_norms(std::span<const std::uint8_t> bytes,
                                                    const std::vector<std::vector<float>>& images) {
    onnx::ModelProto model = parse(bytes);
    std::vector<Values> runs;
    for (const auto& image : images) runs.push_back(start(model, image));
    for (const auto& n : model.graph().node()) {
        if (n.op_type() == "BatchNormalization") {
            const Array& first = runs[0].at(n.input(0));
            const I C = first.dims[1], plane = total(first.dims) / C;
            const double count = static_cast<double>(plane) * static_cast<double>(images.size());
            Array mean{{C}, std::vector<double>(U(C), 0.0)}, variance = mean;
            for (I c = 0; c < C; ++c) {
                for (const Values& run : runs)
                    for (I i = c * plane; i < (c + 1) * plane; ++i) mean.v[U(c)] += run.at(n.input(0)).v[U(i)] / count;
                for (const Values& run : runs)
                    for (I i = c * plane; i < (c + 1) * plane; ++i)
                        variance.v[U(c)] += std::pow(run.at(n.input(0)).v[U(i)] - mean.v[U(c)], 2) / count;
            }
            for (double& value : variance.v)
                if (value < 1e-6) value = 1;  // a dead channel: dividing by nothing would amplify rounding errors
            for (auto& t : *model.mutable_graph()->mutable_initializer()) {
                const Array* source = t.name() == n.input(3) ? &mean : t.name() == n.input(4) ? &variance : nullptr;
                if (!source) continue;
                const std::vector<float> values(source->v.begin(), source->v.end());
                t.clear_float_data();
                t.set_raw_data(values.data(), values.size() * sizeof(float));
                for (Values& run : runs) run[t.name()] = from_proto(t);
            }
        }
        for (Values& run : runs) step(n, run);
    }
    std::vector<std::uint8_t> out(model.ByteSizeLong());
    model.SerializeToArray(out.data(), static_cast<int>(out.size()));
    return out;
}

}  // namespace flash::testing
