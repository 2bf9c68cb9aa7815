#include "support/onnx_schemas.h"

#include <onnx/defs/schema.h>

#include <map>

namespace flash::testing {

int newest_onnx_opset() { return onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map().at("").second; }

std::vector<OnnxSchema> onnx_schemas(int opset) {
    std::map<std::string, OnnxSchema> newest;
    for (const onnx::OpSchema& schema : onnx::OpSchemaRegistry::get_all_schemas_with_history()) {
        if (!schema.domain().empty() || schema.SinceVersion() > opset) continue;
        OnnxSchema& known = newest[schema.Name()];
        if (known.since > schema.SinceVersion()) continue;
        known = {schema.Name(), schema.SinceVersion(), {}, schema.max_input(), schema.max_output()};
        for (const auto& [name, attribute] : schema.attributes()) known.attributes.push_back(name);
        if (schema.Deprecated()) newest.erase(schema.Name());
    }
    std::vector<OnnxSchema> result;
    for (auto& [name, schema] : newest) result.push_back(std::move(schema));
    return result;
}

}  // namespace flash::testing
