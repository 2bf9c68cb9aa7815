#include "model/architecture_wire.h"

#include <string>

#include "base/error.h"
#include "model/wire_reader.h"

namespace flash::model {

namespace {

using Bytes = std::span<const std::uint8_t>;

void malformed(const char* what) { throw Error(ErrorKind::kProtocol, std::string("model architecture: ") + what); }

/// Calls read(reader) for every field; it takes the value, or says false, and the field is skipped.
template <class Read>
void for_fields(Bytes bytes, const Read& read) {
    WireReader reader(bytes);
    while (reader.next())
        if (!read(reader)) reader.skip();
}

bool get(WireReader& reader, int& to) {
    if (!reader.is_varint()) return false;
    to = reader.int32();
    return true;
}
bool get(WireReader& reader, bool& to) {
    if (!reader.is_varint()) return false;
    to = reader.boolean();
    return true;
}
bool get(WireReader& reader, double& to) {
    if (!reader.is_double()) return false;
    to = reader.float64();
    return true;
}
bool get(WireReader& reader, std::string& to) {
    if (!reader.is_bytes()) return false;
    to = reader.text();
    return true;
}
bool get(WireReader& reader, std::vector<float>& to) {
    if (reader.is_float()) {
        to.push_back(reader.float32());
        return true;
    }
    if (!reader.is_bytes()) return false;
    WireReader packed(reader.bytes());
    while (!packed.at_end()) to.push_back(packed.float32());
    return true;
}

bool get(WireReader& reader, Shape& to) {
    if (!reader.is_bytes()) return false;
    for_fields(reader.bytes(), [&](WireReader& field) {
        switch (field.field()) {
            case 1: return get(field, to.channels);
            case 2: return get(field, to.height);
            case 3: return get(field, to.width);
            default: return false;
        }
    });
    return true;
}

/// Fields that are 1 where they are absent.
int one_if_absent(int field) { return field == 0 ? 1 : field; }

/// Of which no field has come yet.
Window empty_window() { return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, false}; }

bool get(WireReader& reader, Window& to) {
    if (!reader.is_bytes()) return false;
    for_fields(reader.bytes(), [&](WireReader& field) {
        switch (field.field()) {
            case 1: return get(field, to.kernel_h);
            case 2: return get(field, to.kernel_w);
            case 3: return get(field, to.stride_h);
            case 4: return get(field, to.stride_w);
            case 5: return get(field, to.pad_top);
            case 6: return get(field, to.pad_left);
            case 7: return get(field, to.pad_bottom);
            case 8: return get(field, to.pad_right);
            case 9: return get(field, to.dilation_h);
            case 10: return get(field, to.dilation_w);
            case 11: return get(field, to.level);
            default: return false;
        }
    });
    return true;
}

void complete(Window& window) {
    window.dilation_h = one_if_absent(window.dilation_h);
    window.dilation_w = one_if_absent(window.dilation_w);
}

Term term_of(Bytes bytes) {
    Term to;
    to.groups = 0;
    to.window = empty_window();
    int kind = 0;
    for_fields(bytes, [&](WireReader& field) {
        switch (field.field()) {
            case 1: return get(field, to.source);
            case 2:
                if (!to.pool) to.pool = empty_window();
                return get(field, *to.pool);
            case 3: return get(field, kind);
            case 4: return get(field, to.window);
            case 5: return get(field, to.groups);
            default: return false;
        }
    });
    if (kind != 0 && kind != 1) malformed("a term of a kind that this version does not know");
    to.kind = kind == 1 ? TermKind::kScale : TermKind::kConvolution;
    to.groups = one_if_absent(to.groups);
    complete(to.window);
    if (to.pool) complete(*to.pool);
    return to;
}

Layer layer_of(Bytes bytes) {
    Layer to;
    to.activation = false;
    to.upload_bits = 0;
    int curve = 0;
    for_fields(bytes, [&](WireReader& field) {
        switch (field.field()) {
            case 1: return get(field, to.name);
            case 2:
                if (!field.is_bytes()) return false;
                if (to.terms.size() >= kMaxTerms) malformed("too many terms in a layer");
                to.terms.push_back(term_of(field.bytes()));
                return true;
            case 3: return get(field, to.output);
            case 4: return get(field, to.share_bits);
            case 5: return get(field, to.activation);
            case 6: return get(field, to.packing.channels_per_input);
            case 7: return get(field, to.upload_bits);
            case 8: return get(field, to.packing.degree);
            case 9: return get(field, to.plain_bits);
            case 10: return get(field, curve);
            case 11: return get(field, to.amplitude);
            default: return false;
        }
    });
    if (curve != 0 && curve != 1) malformed("an activation of a kind that this version does not know");
    to.curve = curve == 1 ? Curve::kSine : Curve::kSquare;
    return to;
}

bool get(WireReader& reader, Preprocessing& to) {
    if (!reader.is_bytes()) return false;
    for_fields(reader.bytes(), [&](WireReader& field) {
        switch (field.field()) {
            case 1: return get(field, to.resize);
            case 2: return get(field, to.crop_height);
            case 3: return get(field, to.crop_width);
            case 4: return get(field, to.mean);
            case 5: return get(field, to.std);
            default: return false;
        }
    });
    return true;
}

/// Not yet validated.
Architecture architecture_of(Bytes bytes) {
    Architecture to;
    to.slots = {0, 0};
    to.input_upload_bits = 0;
    for_fields(bytes, [&](WireReader& field) {
        switch (field.field()) {
            case 1: return get(field, to.name);
            case 3: return get(field, to.input);
            case 4: return get(field, to.input_scale);
            case 5: return get(field, to.input_limit);
            case 6: return get(field, to.preprocessing);
            case 7:
                if (!field.is_bytes()) return false;
                to.classes.emplace_back(field.text());
                return true;
            case 8:
                if (!field.is_bytes()) return false;
                if (to.layers.size() >= kMaxLayers) malformed("too many layers");
                to.layers.push_back(layer_of(field.bytes()));
                return true;
            case 9: return get(field, to.output_scale);
            case 10: return get(field, to.input_upload_bits);
            case 11: return get(field, to.slots.degree);
            case 12: return get(field, to.slots.moduli);
            case 13: return get(field, to.plain_bits);
            case 14: return get(field, to.trust_server);
            default: return false;
        }
    });
    return to;
}

}  // namespace

Architecture parse_architecture(std::span<const std::uint8_t> bytes) {
    require(bytes.size() <= kMaxArchitectureBytes, ErrorKind::kProtocol, "model architecture: too large");
    Architecture architecture = architecture_of(bytes);
    validate(architecture);
    return architecture;
}

Sha256 fingerprint(std::span<const std::uint8_t> architecture_bytes, const Sha256& secret_digest) {
    return sha256_parts({architecture_bytes, secret_digest});
}

}  // namespace flash::model
