#include "protocol/linear/upload_producer.h"

#include <algorithm>

#include "base/tasks.h"
#include "protocol/flow/failure.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "protocol/steps.h"

namespace flash::protocol {

namespace {

constexpr std::size_t kBatch = 16;  // ciphertexts computed in parallel before they are sent in order

}  // namespace

UploadProducer::UploadProducer(const ClientModel& model, transport::Channel& channel, const ClientKeys& keys,
                               SecretVector<std::uint32_t> picture, ShareProbe* probe, Profile* profile, Ahead ahead)
    : model_(model),
      channel_(channel),
      keys_(keys),
      probe_(probe),
      profile_(profile),
      ahead_(ahead),
      values_(model.plan),
      prepared_(prepare_ahead()),
      thread_(
          channel, internal_error(Party::kClient), upload_window_bytes(model.cost),
          [this,
           picture = std::make_shared<SecretVector<std::uint32_t>>(
               ahead == Ahead::kThreads ? std::move(picture) : SecretVector<std::uint32_t>())](AheadWindow& window) {
              put_value(0, std::move(*picture));
              run(window);
          },
          ahead) {
    if (ahead_ == Ahead::kThreads) return;
    put_value(0, std::move(picture));
    upload(0, thread_.window());
}

UploadProducer::~UploadProducer() { shares_.cancel(); }

void UploadProducer::run(AheadWindow& window) {
    // Answers that the server waits for come first: cores help here only when they have nothing else to do.
    const int layers = static_cast<int>(model_.architecture.layers.size());
    in_background([&] {
        for (int l = 0; l < layers; ++l) {
            if (!upload(l, window)) return;
            if (!model_.architecture.layers[l].activation) continue;
            std::optional<SecretVector<std::uint32_t>> share = shares_.take();
            if (!share) return;
            put_value(l + 1, std::move(*share));
        }
    });
}

void UploadProducer::put_value(int value, SecretVector<std::uint32_t> share) {
    if (probe_) probe_->value(value, share);
    values_.put(value, std::move(share));
}

void UploadProducer::put_share(SecretVector<std::uint32_t> share) {
    if (ahead_ == Ahead::kThreads) return shares_.put(std::move(share));
    put_value(++next_layer_, std::move(share));
    upload(next_layer_, thread_.window());
}

bool UploadProducer::upload(int layer, AheadWindow& window) {
    std::uint32_t index = 0;
    for (int id : model_.plan.layers[layer].uploads) {
        const packing::Stream& stream = model_.plan.streams[id];
        SecretVector<std::uint32_t> words;
        const scheme::LevelledShare share = values_.stream_input(stream, model_.architecture, words);
        const scheme::DirectSecretKey& key = keys_.at(stream.key()).secret;
        const std::size_t count = static_cast<std::size_t>(stream.polynomials());
        for (std::size_t begin = 0; begin < count; begin += kBatch) {
            std::vector<transport::Message> messages(std::min(kBatch, count - begin));
            parallel_for(std::size_t{0}, messages.size(), std::size_t{2}, [&](std::size_t first, std::size_t end) {
                SecretBuffer<std::uint32_t> plain(stream.degree());
                std::vector<std::uint32_t> b(stream.degree());
                for (std::size_t i = first; i < end; ++i) {
                    ProfileSpan span(profile_, layer, step::kEncrypt);
                    const std::size_t p = begin + i;
                    const scheme::LevelledShare packed = packing::pack(stream, static_cast<int>(p), share, plain);
                    key.encrypt(prepared_.take(static_cast<std::size_t>(id), p), packed, b);
                    messages[i] = make_message(message_type::kUpload, static_cast<std::uint32_t>(layer),
                                               index + static_cast<std::uint32_t>(i), encode_upload(b, stream));
                    // The first one the server waits for, as it shows that the client works.
                    if (layer == 0 && index + i == 0) messages[i].ahead = false;
                }
            });
            index += static_cast<std::uint32_t>(messages.size());
            ProfileSpan span(profile_, layer, step::kSend);
            for (transport::Message& message : messages) {
                const std::size_t bytes = transport::kFrameHeaderBytes + message.payload.size();
                if (ahead_ == Ahead::kThreads ? !window.acquire(bytes) : !window.try_acquire(bytes)) {
                    // In steps all layers before this one have been answered, and the window holds a whole layer.
                    require(ahead_ == Ahead::kThreads, ErrorKind::kInternal, "uploads of one layer exceed the window");
                    return false;
                }
                span.sent(bytes);
                channel_.send(std::move(message));
            }
        }
    }
    values_.release_after(layer);
    return true;
}

PreparedItems<scheme::PreparedUpload> UploadProducer::prepare_ahead() {
    std::vector<std::size_t> counts, bytes;
    for (const packing::Stream& stream : model_.plan.streams) {
        counts.push_back(static_cast<std::size_t>(stream.polynomials()));
        bytes.push_back(stream.degree() * sizeof(std::uint32_t));
    }
    return PreparedItems<scheme::PreparedUpload>(
        channel_, internal_error(Party::kClient), kPreparedUploadBytes, counts, std::move(bytes),
        [this](std::size_t id, std::size_t polynomial) {
            const packing::Stream& stream = model_.plan.streams[id];
            ProfileSpan span(profile_, stream.first_layer, step::kPrepareUpload);
            return keys_.at(stream.key())
                .prepare({static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(polynomial)});
        },
        ahead_);
}

}  // namespace flash::protocol
