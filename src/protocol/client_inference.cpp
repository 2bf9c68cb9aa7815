#include "protocol/client_inference.h"

#include <tbb/task_group.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <string>

#include "lattice/bitpack.h"
#include "lattice/words.h"
#include "model/arithmetic.h"
#include "protocol/activation_shares.h"
#include "protocol/messages.h"
#include "protocol/receive.h"
#include "protocol/response_preparer.h"
#include "protocol/upload_producer.h"

namespace flash::protocol {

using transport::Message;
using transport::MessageType;

PhaseSeconds phase_seconds(const Profile& profile) {
    PhaseSeconds seconds;
    for (const ProfileEntry& entry : summarise(profile)) switch (entry.phase) {
            case Phase::kSetup: seconds.setup += entry.seconds; break;
            case Phase::kShare:
            case Phase::kEncrypt: seconds.encrypt += entry.seconds; break;
            case Phase::kSend: seconds.send += entry.seconds; break;
            case Phase::kWaitLinear: seconds.wait_linear += entry.seconds; break;
            case Phase::kDecrypt: seconds.decrypt += entry.seconds; break;
            case Phase::kWaitKeys: seconds.wait_keys += entry.seconds; break;
            case Phase::kPrepare:
            case Phase::kRespond: seconds.respond += entry.seconds; break;
            default: break;
        }
    seconds.total = wall_seconds(profile);
    return seconds;
}

ClientInference::ClientInference(const ClientModel& model, transport::Channel& channel, SecretSeed seed,
                                 ShareProbe* probe, Profile* profile)
    : model_(model),
      channel_(channel),
      seed_(std::move(seed)),
      probe_(probe),
      profile_(profile ? profile : &own_profile_),
      slots_(scheme::slot_parameters(model.architecture.single_modulus())) {}

ClientInference::~ClientInference() = default;

ClientResult ClientInference::run(std::span<const std::int32_t> input, std::uint32_t number,
                                  const std::function<void(double)>& progress) {
    require(input.size() == static_cast<std::size_t>(model_.architecture.input.size()), ErrorKind::kInvalidArgument,
            "the input has the wrong number of values");
    try {
        return run_layers(input, number, progress);
    } catch (const Error& error) {
        // What stopped the producer explains more than the closed channel that this thread was left with. Any other
        // error is the cause itself.
        const std::exception_ptr cause =
            uploads_ && error.kind() == ErrorKind::kNetwork ? uploads_->failure() : nullptr;
        // The producer may be blocked in the channel, and is joined when this object goes.
        channel_.fail(error.kind() == ErrorKind::kInternal ? "internal error of the client" : error.what());
        if (cause) std::rethrow_exception(cause);
        throw;
    } catch (...) {
        channel_.fail("internal error of the client");
        throw;
    }
}

ClientResult ClientInference::run_layers(std::span<const std::int32_t> input, std::uint32_t number,
                                         const std::function<void(double)>& progress) {
    ClientResult result;
    start(input, number);
    const int layers = static_cast<int>(model_.architecture.layers.size());
    for (int l = 0; l < layers; ++l) {
        run_layer(l);
        ++result.round_trips;
        if (progress) progress(static_cast<double>(l + 1) / layers);
    }
    finish(number, result);
    result.seconds = phase_seconds(*profile_);
    return result;
}

void ClientInference::start(std::span<const std::int32_t> input, std::uint32_t number) {
    ProfileSpan span(profile_, Profile::kNoLayer, Phase::kSetup);
    // Fresh keys for every inference, each with a secret of its own: the public `a` polynomials are fixed per model, so
    // a key must never live longer.
    Message message{MessageType::kStart, 0, number, {}};
    for (std::size_t degree : model_.plan.degrees()) {
        Prng rng(seed_, "client direct key", {degree});
        const scheme::DirectSecretKey& key = keys_.make(degree, model_.publics->polynomials,
                                                        scheme::direct_ring(degree), rng, &model_.publics->transforms);
        append_public_key(message.payload, key.ring(), key.public_b());
    }
    span.sent(transport::kFrameHeaderBytes + message.payload.size());
    channel_.send(std::move(message));

    SecretVector<std::uint32_t> picture(input.size());
    for (std::size_t i = 0; i < input.size(); ++i)
        picture[i] = static_cast<std::uint32_t>(input[i]) +
                     (model_.architecture.single_modulus() & (0u - static_cast<std::uint32_t>(input[i] < 0)));
    uploads_ = std::make_unique<UploadProducer>(model_, channel_, seed_, keys_, std::move(picture), probe_, profile_);

    message = receive_expected(channel_, MessageType::kStartReply, 0, number,
                               sizeof(PublicSeed) + scheme::slot_public_key_bytes(slots_));
    span.received(transport::kFrameHeaderBytes + message.payload.size());
    const StartReply reply = decode_start_reply(message.payload, slots_);
    evaluator_ = std::make_unique<scheme::SlotEvaluator>(slots_, reply.slot_seed, reply.slot_public_key);
    preparer_ = std::make_unique<ResponsePreparer>(model_, channel_, seed_, *evaluator_, profile_);
}

/// The tasks of one layer: every linear response is decrypted when it arrives, every chunk of activations is answered
/// when its values and its keys are there.
class ClientInference::LayerWork {
public:
    LayerWork(ClientInference& inference, int layer, std::size_t values, bool activation)
        : inference_(inference),
          layer_(layer),
          missing_(activation ? chunk_count(static_cast<std::int64_t>(values)) : 0),
          keys_(missing_.size()),
          sender_(inference.channel_, inference.send_thread_, missing_.size(), inference.profile_, layer),
          key_bytes_(transport::kFrameHeaderBytes + activation_keys_bytes(inference.slots_)) {
        for (std::size_t chunk = 0; chunk < missing_.size(); ++chunk)
            missing_[chunk] =
                std::min(scheme::kSlotDegree, values - chunk * scheme::kSlotDegree) + 1;  // one more for the keys
    }

    void decrypt(int polynomial, Message response) {
        run([this, polynomial, response = std::move(response)] {
            inference_.decrypt(layer_, polynomial, response);
            if (missing_.empty()) return;
            const model::Shape& output = inference_.model_.architecture.layers[static_cast<std::size_t>(layer_)].output;
            for (const packing::ResultRun& run : packing::result_runs(
                     inference_.model_.plan.layers[static_cast<std::size_t>(layer_)], output, polynomial))
                for (std::size_t element = run.element, end = element + run.count; element < end;) {
                    const std::size_t chunk = element / scheme::kSlotDegree,
                                      stop = std::min(end, (chunk + 1) * scheme::kSlotDegree);
                    arrived(chunk, stop - element);
                    element = stop;
                }
        });
    }
    /// Before another chunk's keys are taken from the channel: no more than an honest server sends without answers may
    /// be in memory. At that point it waits for answers, so this thread makes them, if nobody else does; there may be
    /// no other thread. Rethrows as wait().
    void make_room_for_keys() {
        if ((taken_ - answered_ + 1) * key_bytes_ > kAheadBytes) tasks_.wait();
        ++taken_;
    }
    void keys(std::size_t chunk, Message message) {
        keys_[chunk] = std::move(message);
        arrived(chunk, 1);
    }
    /// Until everything that was handed in is done; rethrows what went wrong.
    void wait() {
        tasks_.wait();
        sender_.finish();
    }
    /// Ends what was begun; rethrows what went wrong in a task, if anything did.
    void abandon() {
        tasks_.cancel();
        try {
            tasks_.wait();
        } catch (...) {  // kept in failure_
        }
        if (failure_) std::rethrow_exception(failure_);
        if (const std::exception_ptr failure = sender_.failure()) std::rethrow_exception(failure);
    }

private:
    void arrived(std::size_t chunk, std::size_t count) {
        if (missing_[chunk].fetch_sub(count) != count) return;
        run([this, chunk] {
            sender_.put(chunk, inference_.answer(layer_, chunk, std::exchange(keys_[chunk], {})));
            ++answered_;
        });
    }
    /// A task that fails ends the inference at once: the thread that receives may be waiting for what will never come.
    template <class Task>
    void run(Task task) {
        tasks_.run([this, task = std::move(task)] {
            try {
                task();
            } catch (const Error& error) {
                failed(error.kind() == ErrorKind::kInternal ? "internal error of the client" : error.what());
                throw;
            } catch (...) {
                failed("internal error of the client");
                throw;
            }
        });
    }
    /// In a handler. What went wrong first is kept before anybody is woken by it.
    void failed(const std::string& sentence) {
        {
            const std::lock_guard lock(failure_mutex_);
            if (!failure_) failure_ = std::current_exception();
        }
        inference_.channel_.fail(sentence);
    }

    ClientInference& inference_;
    const int layer_;
    std::vector<std::atomic<std::size_t>> missing_;  // of each chunk: values that are not decrypted yet, and the keys
    std::vector<Message> keys_;
    OrderedSender sender_;
    const std::size_t key_bytes_;
    std::size_t taken_ = 0;  // chunks whose keys were asked for
    std::atomic<std::size_t> answered_ = 0;
    std::mutex failure_mutex_;
    std::exception_ptr failure_;  // of a task, the first one
    tbb::task_group tasks_;
};

void ClientInference::run_layer(int layer) {
    const model::Layer& description = model_.architecture.layers[static_cast<std::size_t>(layer)];
    const packing::LinearPlan& linear = model_.plan.layers[static_cast<std::size_t>(layer)];
    const std::size_t values = static_cast<std::size_t>(description.output.size());
    pre_activations_ = SecretVector<std::uint32_t>(values);
    LayerWork work(*this, layer, values, description.activation);
    try {
        for (int p = 0; p < linear.polynomials(); ++p) {
            Message response;
            {
                ProfileSpan span(profile_, layer, Phase::kWaitLinear);
                response =
                    receive_expected(channel_, MessageType::kLinearResponse, static_cast<std::uint32_t>(layer),
                                     static_cast<std::uint32_t>(p),
                                     linear_response_bytes(linear.degree(), description.share_bits,
                                                           packing::result_count(linear, description.output, p)));
                span.received(transport::kFrameHeaderBytes + response.payload.size());
            }
            work.decrypt(p, std::move(response));
        }
        uploads_->answered(layer);
        for (std::size_t chunk = 0; description.activation && chunk < chunk_count(description.output.size()); ++chunk) {
            Message keys;
            work.make_room_for_keys();
            {
                ProfileSpan span(profile_, layer, Phase::kWaitKeys);
                keys = receive_expected(channel_, MessageType::kActivationKeys, static_cast<std::uint32_t>(layer),
                                        static_cast<std::uint32_t>(chunk), activation_keys_bytes(slots_));
                span.received(transport::kFrameHeaderBytes + keys.payload.size());
            }
            work.keys(chunk, std::move(keys));
        }
    } catch (...) {
        work.abandon();
        throw;
    }
    work.wait();
    if (probe_) probe_->pre_activation(layer, pre_activations_);
}

void ClientInference::decrypt(int layer, int polynomial, const Message& response) {
    ProfileSpan span(profile_, layer, Phase::kDecrypt);
    const model::Layer& description = model_.architecture.layers[static_cast<std::size_t>(layer)];
    const packing::LinearPlan& linear = model_.plan.layers[static_cast<std::size_t>(layer)];
    const auto runs = packing::result_runs(linear, description.output, polynomial);
    const auto positions = packing::result_positions(linear, description.output, polynomial);
    const std::size_t count = positions.size();
    const int a_bits = response_a_bits(description.share_bits), b_bits = response_b_bits(description.share_bits);
    const std::size_t a_bytes = lattice::packed_bytes(linear.degree(), a_bits);
    // As received: public to this party.
    AlignedVector<std::uint32_t> a(linear.degree()), b(count);
    lattice::unpack(std::span<const std::uint8_t>(response.payload).first(a_bytes), a_bits,
                    std::span<std::uint32_t>(a));
    lattice::unpack(std::span<const std::uint8_t>(response.payload).subspan(a_bytes), b_bits,
                    std::span<std::uint32_t>(b));
    lattice::from_top_bits(a, a_bits);
    lattice::from_top_bits(b, b_bits);
    SecretBuffer<std::uint32_t> phase(count);
    keys_.at(linear.degree()).decrypt(a, positions, b, phase);
    const std::uint32_t* from = phase.data();
    for (const packing::ResultRun& run : runs) {
        std::uint32_t* to = pre_activations_.data() + run.element;
        for (std::uint32_t i = 0; i < run.count; ++i) to[i] = client_pre_activation(from[i], description.share_bits);
        from += run.count;
    }
}

Message ClientInference::answer(int layer, std::size_t chunk, const Message& keys) {
    ProfileSpan span(profile_, layer, Phase::kRespond);
    const model::Layer& description = model_.architecture.layers[static_cast<std::size_t>(layer)];
    const std::size_t first = chunk * scheme::kSlotDegree,
                      count = std::min(scheme::kSlotDegree, pre_activations_.size() - first);
    const std::size_t key_bytes = scheme::slot_ciphertext_bytes(slots_);
    SecretVector<std::uint32_t> addend;
    std::array<SecretVector<std::uint32_t>, kServerVectors> vectors;
    client_vectors(std::span<const std::uint32_t>(pre_activations_).subspan(first, count), description.share_bits,
                   model_.architecture.single_modulus(), vectors, addend);
    std::array<scheme::SlotFactor, kServerVectors> factors;
    for (std::uint32_t v = 0; v < kServerVectors; ++v)
        factors[v] = {std::span<const std::uint8_t>(keys.payload).subspan(v * key_bytes, key_bytes), vectors[v]};
    return {MessageType::kProductResponse, static_cast<std::uint32_t>(layer), static_cast<std::uint32_t>(chunk),
            evaluator_->respond(preparer_->take(layer, chunk), factors, addend)};
}

void ClientInference::finish(std::uint32_t number, ClientResult& result) {
    ProfileSpan span(profile_, Profile::kNoLayer, Phase::kFinish);
    const model::Layer& output = model_.architecture.layers.back();
    Message share = receive_expected(channel_, MessageType::kResultShare,
                                     static_cast<std::uint32_t>(model_.architecture.layers.size() - 1), 0,
                                     result_share_bytes(output.share_bits, pre_activations_.size()));
    span.received(transport::kFrameHeaderBytes + share.payload.size());
    SecretVector<std::uint32_t> server(pre_activations_.size());
    lattice::unpack(share.payload, output.share_bits, std::span<std::uint32_t>(server));
    wipe(share.payload.data(), share.payload.size());
    span.sent(transport::kFrameHeaderBytes);
    channel_.send({MessageType::kFinish, 0, number, {}});
    for (std::size_t i = 0; i < server.size(); ++i)
        result.x.push_back(reconstruct(pre_activations_[i], server[i], output.share_bits));
    result.logits = model::dequantise_output(model_.architecture, result.x);
}

}  // namespace flash::protocol
