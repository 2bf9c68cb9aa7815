// libFuzzer entry point for the payloads of control messages and for the packing of whatever architecture they carry.
#include <cstdint>
#include <span>

#include "base/error.h"
#include "model/file.h"
#include "packing/plan.h"
#include "protocol/activation/composite/setup.h"
#include "protocol/cost.h"
#include "protocol/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace flash;
    const std::span<const std::uint8_t> bytes(data, size);
    const auto attempt = [](const auto& parse) {
        try {
            parse();
        } catch (const Error&) {}
    };
    attempt([&] { protocol::decode_client_hello(bytes); });
    attempt([&] { protocol::decode_list_models(bytes); });
    attempt([&] { protocol::decode_model_list(bytes); });
    static const auto ring = scheme::CompositeRing::of(scheme::choose_composite_parameters({8192, 2}, 24, 3, 1 << 16));
    attempt([&] { protocol::decode_setup(bytes, *ring); });
    attempt([&] { protocol::decode_nonce(bytes); });
    attempt([&] {
        const auto hello = protocol::decode_server_hello(bytes);
        const auto architecture = model::parse_architecture(hello.architecture);
        protocol::cost_of(architecture, packing::make_plan(architecture));
    });
    attempt([&] {
        const auto architecture = model::parse_architecture(bytes);
        protocol::cost_of(architecture, packing::make_plan(architecture));
    });
    return 0;
}
