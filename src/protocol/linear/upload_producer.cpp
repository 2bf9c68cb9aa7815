#include "protocol/linear/upload_producer.h"

#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>

#include "protocol/flow/failure.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "protocol/steps.h"

namespace flash::protocol {

namespace {

constexpr std::size_t kBatch = 16;  // ciphertexts computed in parallel before they are sent in order

}  // namespace

UploadProducer::UploadProducer(const ClientModel& model, transport::Channel& channel, const ClientKeys& keys,
                               SecretVector<std::uint32_t> picture, ShareProbe* probe, Profile* profile)
    : model_(model),
      channel_(channel),
      keys_(keys),
      probe_(probe),
      profile_(profile),
      values_(model.plan),
      prepared_(prepare_ahead()),
      thread_(channel, internal_error(Party::kClient), upload_window_bytes(model.cost),
              [this, picture = std::make_shared<SecretVector<std::uint32_t>>(std::move(picture))](AheadWindow& window) {
                  if (probe_) probe_->value(0, *picture);
                  values_.put(0, std::move(*picture));
                  run(window);
              }) {}

UploadProducer::~UploadProducer() { shares_.cancel(); }

void UploadProducer::run(AheadWindow& window) {
    // Answers that the server waits for come first: cores help here only when they have nothing else to do.
    tbb::task_arena arena(tbb::task_arena::automatic, 1, tbb::task_arena::priority::low);
    const int layers = static_cast<int>(model_.architecture.layers.size());
    arena.execute([&] {
        for (int l = 0; l < layers; ++l) {
            if (!upload(l, window)) return;
            if (!model_.architecture.layers[l].activation) continue;
            std::optional<SecretVector<std::uint32_t>> share = shares_.take();
            if (!share) return;
            if (probe_) probe_->value(l + 1, *share);
            values_.put(l + 1, std::move(*share));
        }
    });
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
            tbb::parallel_for(tbb::blocked_range<std::size_t>(0, messages.size(), 2), [&](const auto& range) {
                SecretBuffer<std::uint32_t> plain(stream.degree());
                std::vector<std::uint32_t> b(stream.degree());
                for (std::size_t i = range.begin(); i < range.end(); ++i) {
                    ProfileSpan span(profile_, layer, step::kEncrypt);
                    const std::size_t p = begin + i;
                    const scheme::LevelledShare packed = packing::pack(stream, static_cast<int>(p), share, plain);
                    key.encrypt(prepared_.take(static_cast<std::size_t>(id), p), packed, b);
                    messages[i] = make_message(message_type::kUpload, static_cast<std::uint32_t>(layer),
                                               index + static_cast<std::uint32_t>(i), encode_upload(b, stream));
                }
            });
            index += static_cast<std::uint32_t>(messages.size());
            ProfileSpan span(profile_, layer, step::kSend);
            for (transport::Message& message : messages) {
                const std::size_t bytes = transport::kFrameHeaderBytes + message.payload.size();
                if (!window.acquire(bytes)) return false;
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
        });
}

}  // namespace flash::protocol
