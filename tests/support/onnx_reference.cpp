#include "support/onnx_reference.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <stdexcept>

namespace flash::testing {
namespace {

using I = std::int64_t;
using Dims = std::vector<I>;

struct Array {
    Dims dims;
    std::vector<double> v;
};

I total(const Dims& dims) { return std::accumulate(dims.begin(), dims.end(), I{1}, std::multiplies<>()); }
std::size_t U(I i) { return static_cast<std::size_t>(i); }

Array from_proto(const onnx::TensorProto& t) {
    Array a;
    a.dims.assign(t.dims().begin(), t.dims().end());
    const std::size_t n = U(total(a.dims));
    if (t.has_raw_data()) {
        if (t.data_type() == onnx::TensorProto::FLOAT) {
            std::vector<float> x(n);
            std::memcpy(x.data(), t.raw_data().data(), n * 4);
            a.v.assign(x.begin(), x.end());
        } else if (t.data_type() == onnx::TensorProto::INT64) {
            std::vector<I> x(n);
            std::memcpy(x.data(), t.raw_data().data(), n * 8);
            a.v.assign(x.begin(), x.end());
        } else {
            throw std::runtime_error("reference: tensor type");
        }
    } else if (t.float_data_size() > 0) {
        a.v.assign(t.float_data().begin(), t.float_data().end());
    } else {
        a.v.assign(t.int64_data().begin(), t.int64_data().end());
    }
    if (a.v.size() != n) throw std::runtime_error("reference: tensor size");
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

template <class Op>
Array elementwise(const Array& x, const Array& y, Op op) {
    const std::size_t rank = std::max(x.dims.size(), y.dims.size());
    Dims xd(rank - x.dims.size(), 1), yd(rank - y.dims.size(), 1);
    xd.insert(xd.end(), x.dims.begin(), x.dims.end());
    yd.insert(yd.end(), y.dims.begin(), y.dims.end());
    Array out;
    for (std::size_t i = 0; i < rank; ++i) {
        if (xd[i] != yd[i] && xd[i] != 1 && yd[i] != 1) throw std::runtime_error("reference: broadcast");
        out.dims.push_back(std::max(xd[i], yd[i]));
    }
    for (I n = 0; n < total(out.dims); ++n) {
        I rest = n, xi = 0, yi = 0, xs = 1, ys = 1;
        for (std::size_t i = rank; i-- > 0;) {
            const I at = rest % out.dims[i];
            rest /= out.dims[i];
            xi += xd[i] == 1 ? 0 : at * xs;
            yi += yd[i] == 1 ? 0 : at * ys;
            xs *= xd[i];
            ys *= yd[i];
        }
        out.v.push_back(op(x.v[U(xi)], y.v[U(yi)]));
    }
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

Array pad(const Array& x, const Array& pads) {
    const I C = x.dims[1], H = x.dims[2], W = x.dims[3];
    const I t = static_cast<I>(pads.v[2]), l = static_cast<I>(pads.v[3]), b = static_cast<I>(pads.v[6]),
            r = static_cast<I>(pads.v[7]);
    Array out{{1, C, H + t + b, W + l + r}, {}};
    for (I c = 0; c < C; ++c)
        for (I y = -t; y < H + b; ++y)
            for (I q = -l; q < W + r; ++q)
                out.v.push_back(y < 0 || q < 0 || y >= H || q >= W ? 0 : x.v[U((c * H + y) * W + q)]);
    return out;
}

Array gemm(const Array& x, const Array& w, bool transposed, double alpha) {
    const I K = x.dims[1], N = transposed ? w.dims[0] : w.dims[1];
    Array out{{x.dims[0], N}, {}};
    for (I j = 0; j < N; ++j) {
        double sum = 0;
        for (I k = 0; k < K; ++k) sum += x.v[U(k)] * w.v[U(transposed ? j * K + k : k * N + j)];
        out.v.push_back(alpha * sum);
    }
    return out;
}

Array transpose(const Array& x, const Dims& perm) {
    Array out;
    for (I axis : perm) out.dims.push_back(x.dims[U(axis)]);
    for (I n = 0; n < total(out.dims); ++n) {
        I rest = n, at = 0;
        for (std::size_t i = perm.size(); i-- > 0;) {
            I stride = 1;
            for (std::size_t j = U(perm[i]) + 1; j < x.dims.size(); ++j) stride *= x.dims[j];
            at += rest % out.dims[i] * stride;
            rest /= out.dims[i];
        }
        out.v.push_back(x.v[U(at)]);
    }
    return out;
}

Array concat(const std::vector<const Array*>& in) {  // along axis 1, batch 1
    Array out = *in[0];
    for (std::size_t i = 1; i < in.size(); ++i) {
        out.dims[1] += in[i]->dims[1];
        out.v.insert(out.v.end(), in[i]->v.begin(), in[i]->v.end());
    }
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

Array evaluate_node(const onnx::NodeProto& n, const std::vector<const Array*>& in) {
    const std::string& op = n.op_type();
    if (op == "Constant") return from_proto(find(n, "value")->t());
    const Array& x = *in.at(0);
    if (op == "Conv") return conv(n, x, *in.at(1), in.size() > 2 ? in[2] : nullptr);
    if (op == "BatchNormalization") return batch_norm(n, x, in);
    if (op == "Add") return elementwise(x, *in.at(1), std::plus<>());
    if (op == "Sub") return elementwise(x, *in.at(1), std::minus<>());
    if (op == "Mul") return elementwise(x, *in.at(1), std::multiplies<>());
    if (op == "Div") return elementwise(x, *in.at(1), std::divides<>());
    if (op == "Pow") return elementwise(x, *in.at(1), [](double a, double b) { return std::pow(a, b); });
    if (op == "Neg") return elementwise(x, Array{{}, {-1}}, std::multiplies<>());
    if (op == "AveragePool") {
        const Dims k = get_list(n, "kernel_shape", {});
        return average(x, k.at(0), k.at(1), get_list(n, "strides", {1, 1}), get_list(n, "pads", {0, 0, 0, 0}),
                       get_i(n, "count_include_pad", 0) != 0, get_i(n, "ceil_mode", 0) != 0);
    }
    if (op == "GlobalAveragePool") return average(x, x.dims[2], x.dims[3], {1, 1}, {0, 0, 0, 0}, true);
    if (op == "ReduceMean") {
        Array out = average(x, x.dims[2], x.dims[3], {1, 1}, {0, 0, 0, 0}, true);
        if (get_i(n, "keepdims", 1) == 0) out.dims.resize(2);
        return out;
    }
    if (op == "Flatten") return {{1, total(x.dims)}, x.v};
    if (op == "Reshape") return {{1, total(x.dims)}, x.v};  // to one row is all that the tests write
    if (op == "Gemm") {
        Array out = gemm(x, *in.at(1), get_i(n, "transB", 0) != 0, get_f(n, "alpha", 1));
        if (in.size() > 2)
            out = elementwise(out, elementwise(*in[2], Array{{}, {get_f(n, "beta", 1)}}, std::multiplies<>()),
                              std::plus<>());
        return out;
    }
    if (op == "MatMul") return gemm(x, *in.at(1), false, 1);
    if (op == "Transpose") return transpose(x, get_list(n, "perm", {}));
    if (op == "Concat") return concat(in);
    if (op == "Clip") {
        Array out = x;
        for (double& value : out.v) value = std::clamp(value, in.at(1)->v[0], in.at(2)->v[0]);
        return out;
    }
    if (op == "Pad") return pad(x, *in.at(1));
    if (op == "Identity" || op == "Dropout" || op == "Cast") return x;
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
    std::vector<const Array*> in;
    for (const std::string& name : n.input())
        if (!name.empty()) in.push_back(&values.at(name));
    values[n.output(0)] = evaluate_node(n, in);
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
