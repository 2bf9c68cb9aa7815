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
                               const ActivationClient& activation, SecretVector<std::uint32_t> picture,
                               ShareProbe* probe, Profile* profile)
    : model_(model),
      channel_(channel),
      keys_(keys),
      probe_(probe),
      profile_(profile),
      activation_(activation),
      values_(model.plan),
      prepared_(activation.knows_shares_ahead() ? nullptr : prepare_ahead()),
      thread_(channel, internal_error(Party::kClient), upload_window_bytes(model.cost),
              [this, picture = std::make_shared<SecretVector<std::uint32_t>>(std::move(picture))](AheadWindow& window) {
                  if (probe_) probe_->value(0, *picture);
                  values_.put(0, std::move(*picture));
                  run(window);
              }) {}

UploadProducer::~UploadProducer() { late_shares_.cancel(); }

void UploadProducer::run(AheadWindow& window) {
    // Answers that the server waits for come first: cores help here only when they have nothing else to do.
    tbb::task_arena arena(tbb::task_arena::automatic, 1, tbb::task_arena::priority::low);
    const int layers = static_cast<int>(model_.architecture.layers.size());
    arena.execute([&] {
        for (int l = 0; l < layers; ++l) {
            if (!upload(l, window)) return;
            if (!model_.architecture.layers[static_cast<std::size_t>(l)].activation) continue;
            SecretVector<std::uint32_t> share;
            if (activation_.knows_shares_ahead()) {
                share = draw_share(l);
            } else {
                auto late = late_shares_.take();
                if (!late) return;
                share = std::move(*late);
            }
            if (probe_) probe_->value(l + 1, share);
            values_.put(l + 1, std::move(share));
        }
    });
}

bool UploadProducer::upload(int layer, AheadWindow& window) {
    std::uint32_t index = 0;
    for (int id : model_.plan.layers[static_cast<std::size_t>(layer)].uploads) {
        const packing::Stream& stream = model_.plan.streams[static_cast<std::size_t>(id)];
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
                    key.encrypt(prepared_ ? prepared_->take(static_cast<std::size_t>(id), p) : prepare(id, p), packed,
                                b);
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

scheme::PreparedUpload UploadProducer::prepare(int stream, std::size_t polynomial) const {
    return keys_.at(model_.plan.streams[static_cast<std::size_t>(stream)].key())
        .prepare({static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(polynomial)});
}

std::unique_ptr<PreparedItems<scheme::PreparedUpload>> UploadProducer::prepare_ahead() {
    std::vector<std::size_t> counts, bytes;
    for (const packing::Stream& stream : model_.plan.streams) {
        counts.push_back(static_cast<std::size_t>(stream.polynomials()));
        bytes.push_back(stream.degree() * sizeof(std::uint32_t));
    }
    return std::make_unique<PreparedItems<scheme::PreparedUpload>>(
        channel_, internal_error(Party::kClient), kPreparedUploadBytes, counts, std::move(bytes),
        [this](std::size_t stream, std::size_t polynomial) {
            ProfileSpan span(profile_, model_.plan.streams[stream].first_layer, step::kEncrypt);
            return prepare(static_cast<int>(stream), polynomial);
        });
}

SecretVector<std::uint32_t> UploadProducer::draw_share(int layer) {
    SecretVector<std::uint32_t> share(
        static_cast<std::size_t>(model_.architecture.layers[static_cast<std::size_t>(layer)].output.size()));
    const std::size_t chunks = model_.activation->chunks(layer);
    tbb::parallel_for(tbb::blocked_range<std::size_t>(0, chunks, kDrawnTogether), [&](const auto& range) {
        ProfileSpan span(profile_, layer, step::kShare);
        for (std::size_t chunk = range.begin(); chunk < range.end(); ++chunk)
            activation_.share_ahead(layer, chunk, share);
    });
    return share;
}

}  // namespace flash::protocol
