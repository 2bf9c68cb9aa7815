// The client as JavaScript sees it (web/client/src/core.ts): functions on numbers and on bytes in the module's memory.
// No exception leaves them: a function that fails says so by its result, and flash_error() has the kind and the
// sentence.
#include <emscripten/emscripten.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "base/error.h"
#include "base/hash.h"
#include "base/secret.h"
#include "base/wipe_at_end.h"
#if defined(FLASH_POOL_TASKS)
#include "base/task_pool.h"
#endif
#include "data/preprocess.h"
#include "model/ranking.h"
#include "protocol/stepped_session.h"
#include "protocol/steps.h"
#include "web/json.h"

namespace flash::web {

namespace {

using protocol::SteppedSession;

/// What the last call gave, beside its result: text or bytes, until the next call.
std::string last_text;
std::vector<std::uint8_t> last_bytes;

/// Results: what the function says, or this.
constexpr int kFailed = -1;

int note(const char* kind, const char* sentence) {
    last_text = fmt::format("{{\"kind\":{},\"message\":{}}}", quoted(kind), quoted(sentence));
    return kFailed;
}

template <class Body>
int guarded(const Body& body) {
    try {
        return body();
    } catch (const Error& error) {
        return note(to_string(error.kind()), error.what());
    } catch (const std::bad_alloc&) {
        return note(to_string(ErrorKind::kInternal), "the page ran out of memory");
    } catch (const std::exception& error) {
        return note(to_string(ErrorKind::kInternal), error.what());
    }
}

std::string model_text(const protocol::ClientModel& model) {
    const model::Architecture& architecture = model.architecture;
    const model::Preprocessing& how = architecture.preprocessing;
    const auto shape = [](const model::Shape& s) { return fmt::format("[{},{},{}]", s.channels, s.height, s.width); };
    const auto values = [](const std::vector<float>& v) { return array(v, [](float x) { return number(x); }); };
    std::string layers;
    for (std::size_t l = 0; l < architecture.layers.size(); ++l) {
        const model::Layer& layer = architecture.layers[l];
        const protocol::LayerCost& cost = model.cost.layers[l];
        layers +=
            fmt::format("{}{{\"name\":{},\"output\":{},\"activation\":{},\"up\":{},\"down\":{}}}", l == 0 ? "" : ",",
                        quoted(layer.name), shape(layer.output), layer.activation, cost.up(), cost.down());
    }
    return fmt::format(
        "{{\"name\":{},\"fingerprint\":{},\"input\":{},\"output\":{},\"classes\":{},\"takesPictures\":{},"
        "\"pictures\":{{\"resize\":{},\"cropHeight\":{},\"cropWidth\":{},\"mean\":{},\"std\":{},\"text\":{}}},"
        "\"activationValues\":{},\"uploadBytes\":{},\"downloadBytes\":{},\"trustServer\":{},\"guarded\":{},"
        "\"layers\":[{}]}}",
        quoted(architecture.name), quoted(to_hex(model.fingerprint)), shape(architecture.input),
        shape(architecture.output_shape()), array(architecture.classes, quoted), data::takes_pictures(how), how.resize,
        how.crop_height, how.crop_width, values(how.mean), values(how.std), quoted(data::describe(how)),
        architecture.activation_values(), model.cost.up(), model.cost.down(), architecture.trust_server,
        model.activation->guarded(), layers);
}

std::string steps_text(const Profile& profile) {
    return array(summarise(profile), [](const ProfileEntry& entry) {
        return fmt::format("{{\"layer\":{},\"step\":{},\"waiting\":{},\"seconds\":{},\"sent\":{},\"received\":{}}}",
                           entry.layer == Profile::kNoLayer ? std::string("null") : std::to_string(entry.layer),
                           quoted(protocol::name_of(entry.step)), protocol::is_waiting(entry.step),
                           number(entry.seconds), entry.bytes_sent, entry.bytes_received);
    });
}

}  // namespace

/// A session, and the clamped share of the input that it works on.
struct Session {
    explicit Session(protocol::ClientSessionOptions options) : session(std::move(options)) {}
    SteppedSession session;
    double clamped = 0;

    void begin(std::span<const float> values) {
        const model::Architecture& architecture = session.model().architecture;
        if (static_cast<std::int64_t>(values.size()) != architecture.input.size())
            throw Error(ErrorKind::kInvalidArgument, fmt::format("the input has {} values; the model takes {}",
                                                                 values.size(), data::describe(architecture.input)));
        clamped = data::clamped_share(architecture, values);
        session.begin(values);
    }
};

extern "C" {

/// What the last call left: text as a string that ends with a zero, or bytes.
EMSCRIPTEN_KEEPALIVE const char* flash_text() { return last_text.c_str(); }
EMSCRIPTEN_KEEPALIVE const std::uint8_t* flash_bytes() { return last_bytes.data(); }

#if defined(FLASH_POOL_TASKS)
/// Threads that compute beside the caller's; before the first session.
EMSCRIPTEN_KEEPALIVE int flash_start_threads(int threads) {
    return guarded([&] {
        start_shared_task_pool(threads);
        return 0;
    });
}
#endif

/// Memory for what a call reads.
EMSCRIPTEN_KEEPALIVE void* flash_allocate(std::size_t size) { return ::operator new(size, std::nothrow); }
/// Overwrites it first: it may have held a picture or a token.
EMSCRIPTEN_KEEPALIVE void flash_release(void* memory, std::size_t size) {
    wipe(memory, size);
    ::operator delete(memory);
}

/// Begins a session: model and fingerprint (hexadecimal) may be empty, and so may the token. Null: see flash_text().
EMSCRIPTEN_KEEPALIVE Session* flash_open(const char* model, const char* fingerprint, const char* token,
                                         std::size_t token_size, int trust_server, int large_ring_only) {
    Session* made = nullptr;
    guarded([&] {
        protocol::ClientSessionOptions options;
        options.model = model;
        if (*fingerprint != '\0') {
            Sha256 expected{};
            if (!from_hex(fingerprint, expected))
                throw Error(ErrorKind::kInvalidArgument, "a model fingerprint is 64 hexadecimal digits");
            options.expected_fingerprint = expected;
        }
        if (token_size > 0) {
            SecretVector<char> secret(token_size);
            std::memcpy(secret.data(), token, token_size);
            options.token = std::make_shared<const SecretVector<char>>(std::move(secret));
        }
        options.policy.trust_server = trust_server != 0;
        options.policy.large_ring_only = large_ring_only != 0;
        made = new Session(std::move(options));
        return 0;
    });
    return made;
}
EMSCRIPTEN_KEEPALIVE void flash_close(Session* session) { delete session; }

/// Bytes from the server; the end of its stream.
EMSCRIPTEN_KEEPALIVE int flash_feed(Session* session, const std::uint8_t* bytes, std::size_t size) {
    return guarded([&] {
        session->session.channel().feed({bytes, size});
        return 0;
    });
}
EMSCRIPTEN_KEEPALIVE void flash_end(Session* session) { session->session.channel().end(); }

/// Does one step: 1 if there was something to do, 0 if nothing is before more bytes come.
EMSCRIPTEN_KEEPALIVE int flash_step(Session* session) {
    return guarded([&] { return session->session.step() ? 1 : 0; });
}
/// SteppedSession::State.
EMSCRIPTEN_KEEPALIVE int flash_state(const Session* session) { return static_cast<int>(session->session.state()); }
EMSCRIPTEN_KEEPALIVE int flash_layers_done(const Session* session) { return session->session.layers_done(); }

/// Takes what is to be sent: its size, and flash_bytes() has it.
EMSCRIPTEN_KEEPALIVE int flash_take_outgoing(Session* session) {
    return guarded([&] {
        last_bytes = session->session.channel().take_outgoing();
        return static_cast<int>(last_bytes.size());
    });
}

/// flash_text(): the model as JSON.
EMSCRIPTEN_KEEPALIVE int flash_model(const Session* session) {
    return guarded([&] {
        last_text = model_text(session->session.model());
        return 0;
    });
}

/// Begins an inference: on a picture of 8-bit samples red, green, blue and one that is left out; or on values (CHW).
EMSCRIPTEN_KEEPALIVE int flash_infer_picture(Session* session, const std::uint8_t* samples, int height, int width) {
    return guarded([&] {
        const model::Architecture& architecture = session->session.model().architecture;
        if (!data::takes_pictures(architecture.preprocessing))
            throw Error(ErrorKind::kInvalidArgument, "the model does not say how pictures become its input");
        if (height < 1 || width < 1 || height > data::kImageMaxSide || width > data::kImageMaxSide)
            throw Error(ErrorKind::kInvalidArgument, "a picture's sides have 1 to 32768 pixels");
        data::Image image(3, height, width);
        const WipeAtEnd pixels_wiped(image.pixels);
        for (std::size_t i = 0; i < image.pixels.size() / 3; ++i) std::memcpy(&image.pixels[3 * i], samples + 4 * i, 3);
        std::vector<float> values =
            data::preprocess(image, architecture.preprocessing, architecture.input, "the picture");
        const WipeAtEnd values_wiped(values);
        session->begin(values);
        return 0;
    });
}
EMSCRIPTEN_KEEPALIVE int flash_infer_values(Session* session, const float* values, std::size_t count) {
    return guarded([&] {
        session->begin({values, count});
        return 0;
    });
}

/// flash_text(): the result of an inference that has ended, as JSON.
EMSCRIPTEN_KEEPALIVE int flash_take_result(Session* session) {
    return guarded([&] {
        const protocol::ClientResult result = session->session.take_result();
        const model::Architecture& architecture = session->session.model().architecture;
        last_text =
            fmt::format("{{\"logits\":{},\"x\":{},\"roundTrips\":{},\"clamped\":{},\"unreliable\":{},\"steps\":{}}}",
                        array(result.logits, [](float x) { return number(x); }),
                        array(result.x, [](std::int32_t x) { return std::to_string(x); }), result.round_trips,
                        number(session->clamped), quoted(model::doubt(architecture, result.x, result.logits)),
                        steps_text(*session->session.profile()));
        return 0;
    });
}

/// Ends the session for a reason of the page's, which the server is told.
EMSCRIPTEN_KEEPALIVE void flash_fail(Session* session, const char* sentence) { session->session.fail(sentence); }

}  // extern "C"

}  // namespace flash::web
