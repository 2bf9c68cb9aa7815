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
#include "protocol/flow/answer_preparer.h"
#include "protocol/flow/failure.h"
#include "protocol/flow/receive.h"
#include "protocol/linear/pre_activation.h"
#include "protocol/linear/upload_producer.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"

namespace flash::protocol {

using transport::Message;

ClientInference::ClientInference(const ClientModel& model, transport::Channel& channel, SecretSeed seed,
                                 ShareProbe* probe, Profile* profile)
    : model_(model),
      channel_(channel),
      seed_(std::move(seed)),
      probe_(probe),
      profile_(profile ? profile : &own_profile_),
      activation_(model.activation->client(seed_)) {}

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
        channel_.fail(failure_sentence(Party::kClient));
        if (cause) std::rethrow_exception(cause);
        throw;
    } catch (...) {
        channel_.fail(failure_sentence(Party::kClient));
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
    result.seconds = step_seconds(*profile_);
    return result;
}

void ClientInference::start(std::span<const std::int32_t> input, std::uint32_t number) {
    ProfileSpan span(profile_, Profile::kNoLayer, step::kSetup);
    Message message{message_type::kStart, 0, number, {}};
    make_keys(number, message.payload);
    const std::vector<std::uint8_t> activation_start = activation_->start();
    message.payload.insert(message.payload.end(), activation_start.begin(), activation_start.end());
    span.sent(transport::kFrameHeaderBytes + message.payload.size());
    channel_.send(std::move(message));

    const std::vector<std::uint32_t> moduli = model_.architecture.channel_moduli(0);
    const std::size_t map = input.size() / moduli.size();
    SecretVector<std::uint32_t> picture(input.size());
    for (std::size_t i = 0; i < input.size(); ++i)
        picture[i] =
            static_cast<std::uint32_t>(input[i]) + (moduli[i / map] & (0u - static_cast<std::uint32_t>(input[i] < 0)));
    uploads_ = std::make_unique<UploadProducer>(model_, channel_, keys_, std::move(picture), probe_, profile_);

    message = receive_expected(channel_, message_type::kStartReply, 0, number, model_.activation->sizes().setup);
    span.received(transport::kFrameHeaderBytes + message.payload.size());
    activation_->begin(message.payload);
    preparer_ = std::make_unique<AnswerPreparer>(*model_.activation, *activation_, channel_, profile_);
}

void ClientInference::make_keys(std::uint32_t number, std::vector<std::uint8_t>& payload) {
    // Fresh keys for every inference, each with a secret of its own: the public `a` polynomials of uploads are fixed
    // per model, so a key must never live longer.
    scheme::PublicPolynomials& publics = model_.publics->polynomials;
    scheme::PublicTransforms& transforms = model_.publics->transforms;
    PublicSeed seed{};
    if (model_.plan.has_levels()) {
        PublicSeed nonce;
        Prng(seed_, "client nonce").fill(nonce);
        payload.insert(payload.end(), nonce.begin(), nonce.end());
        seed = key_seed(model_.fingerprint, nonce, model_.session, number);
    }
    for (const packing::KeyName& name : model_.plan.keys()) {
        const ClientKey& key = model_.plan.has_levels() ? keys_.make(name, publics, transforms, name, seed_, seed)
                                                        : keys_.make(name, publics, transforms, name, seed_);
        append_public_key(payload, key.secret.ring(), key.secret.public_b());
    }
}

/// The tasks of one layer: every linear response is decrypted when it arrives, every chunk of activations is answered
/// when its values and its vectors are there.
class ClientInference::LayerWork {
public:
    LayerWork(ClientInference& inference, int layer)
        : inference_(inference),
          activation_(*inference.model_.activation),
          layer_(layer),
          missing_(activation_.chunks(layer)),
          vectors_(missing_.size()),
          sender_(inference.channel_, inference.send_thread_, missing_.size(), inference.profile_, layer),
          message_bytes_(transport::kFrameHeaderBytes + activation_.sizes().vectors) {
        for (std::size_t chunk = 0; chunk < missing_.size(); ++chunk)
            missing_[chunk] = activation_.values_in(layer, chunk) + 1;  // one more for the vectors
        if (missing_.empty()) return;
        shared_ = activation_.vectors_end(layer - 1) - activation_.first_vectors(layer);
        if (shared_ > 0) put_vectors(0, inference.shared_vectors_);
    }

    void decrypt(int polynomial, Message response) {
        run([this, polynomial, response = std::move(response)] {
            inference_.decrypt(layer_, polynomial, response);
            if (missing_.empty()) return;
            const model::Shape& output = inference_.model_.architecture.layers[layer_].output;
            for (const packing::ResultRun& run :
                 packing::result_runs(inference_.model_.plan.layers[layer_], output, polynomial))
                for (std::size_t element = run.element, end = element + run.count; element < end;) {
                    const ChunkPart part = activation_.part_at(layer_, element);
                    const std::size_t count = std::min(part.count, end - element);
                    arrived(part.chunk, count);
                    element += count;
                }
        });
    }
    /// Messages of vectors that are received for this layer.
    std::size_t expected_vectors() const { return missing_.size() - shared_; }
    /// Before another one is taken from the channel: no more than an honest server sends without answers may be in
    /// memory. At that point it waits for answers, so this thread makes them, if nobody else does; there may be no
    /// other thread. Rethrows as wait().
    void make_room_for_vectors() {
        if ((taken_ - answered_ + 1) * message_bytes_ > kAheadBytes) tasks_.wait();
        ++taken_;
    }
    /// The `index`th of them.
    void vectors(std::size_t index, Message message) {
        put_vectors(shared_ + index, std::make_shared<const Message>(std::move(message)));
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
    void put_vectors(std::size_t chunk, std::shared_ptr<const Message> message) {
        const bool last = activation_.last_use_of_vectors(layer_, chunk);
        inference_.shared_vectors_ = last ? nullptr : message;
        vectors_[chunk] = std::move(message);
        arrived(chunk, 1);
    }
    void arrived(std::size_t chunk, std::size_t count) {
        if (missing_[chunk].fetch_sub(count) != count) return;
        run([this, chunk] {
            sender_.put(chunk, inference_.answer(layer_, chunk, std::exchange(vectors_[chunk], nullptr)->payload));
            ++answered_;
        });
    }
    /// A task that fails ends the inference at once: the thread that receives may be waiting for what will never come.
    template <class Task>
    void run(Task task) {
        tasks_.run([this, task = std::move(task)] {
            try {
                task();
            } catch (...) {
                failed(failure_sentence(Party::kClient));
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
    const Activation& activation_;
    const int layer_;
    std::vector<std::atomic<std::size_t>> missing_;  // of each chunk: values that are not decrypted yet, and vectors
    std::vector<std::shared_ptr<const Message>> vectors_;  // of each chunk
    OrderedSender sender_;
    const std::size_t message_bytes_;
    std::size_t shared_ = 0;  // chunks whose vectors came with a layer before: none or the first
    std::size_t taken_ = 0;   // messages of vectors that were asked for
    std::atomic<std::size_t> answered_ = 0;
    std::mutex failure_mutex_;
    std::exception_ptr failure_;  // of a task, the first one
    tbb::task_group tasks_;
};

void ClientInference::run_layer(int layer) {
    const model::Layer& description = model_.architecture.layers[layer];
    const packing::LinearPlan& linear = model_.plan.layers[layer];
    const std::size_t values = static_cast<std::size_t>(description.output.size());
    pre_activations_ = SecretVector<std::uint32_t>(values);
    if (description.activation) share_ = SecretVector<std::uint32_t>(values);
    LayerWork work(*this, layer);
    try {
        for (int p = 0; p < linear.polynomials(); ++p) {
            Message response;
            {
                ProfileSpan span(profile_, layer, step::kWaitLinear);
                response =
                    receive_expected(channel_, message_type::kLinearResponse, static_cast<std::uint32_t>(layer),
                                     static_cast<std::uint32_t>(p),
                                     linear_response_bytes(linear.degree(), description.share_bits,
                                                           packing::result_count(linear, description.output, p)));
                span.received(transport::kFrameHeaderBytes + response.payload.size());
            }
            work.decrypt(p, std::move(response));
        }
        uploads_->answered(layer);
        for (std::size_t index = 0; index < work.expected_vectors(); ++index) {
            Message vectors;
            work.make_room_for_vectors();
            {
                ProfileSpan span(profile_, layer, step::kWaitVectors);
                vectors = receive_expected(channel_, message_type::kServerVectors, static_cast<std::uint32_t>(layer),
                                           static_cast<std::uint32_t>(index), model_.activation->sizes().vectors);
                span.received(transport::kFrameHeaderBytes + vectors.payload.size());
            }
            work.vectors(index, std::move(vectors));
        }
    } catch (...) {
        work.abandon();
        throw;
    }
    work.wait();
    if (description.activation) uploads_->put_share(std::move(share_));
    if (probe_) probe_->pre_activation(layer, pre_activations_);
}

void ClientInference::decrypt(int layer, int polynomial, const Message& response) {
    ProfileSpan span(profile_, layer, step::kDecrypt);
    const model::Layer& description = model_.architecture.layers[layer];
    const packing::LinearPlan& linear = model_.plan.layers[layer];
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
    keys_.at(linear.key()).secret.decrypt(a, positions, b, phase);
    const std::uint32_t* from = phase.data();
    for (const packing::ResultRun& run : runs) {
        std::uint32_t* to = pre_activations_.data() + run.element;
        for (std::uint32_t i = 0; i < run.count; ++i) to[i] = client_pre_activation(from[i], description.share_bits);
        from += run.count;
    }
}

Message ClientInference::answer(int layer, std::size_t chunk, std::span<const std::uint8_t> vectors) {
    ProfileSpan span(profile_, layer, step::kRespond);
    return make_message(
        message_type::kProductResponse, static_cast<std::uint32_t>(layer), static_cast<std::uint32_t>(chunk),
        activation_->answer(layer, chunk, preparer_->take(layer, chunk), vectors, pre_activations_, share_));
}

void ClientInference::finish(std::uint32_t number, ClientResult& result) {
    ProfileSpan span(profile_, Profile::kNoLayer, step::kFinish);
    const model::Layer& output = model_.architecture.layers.back();
    Message share = receive_expected(channel_, message_type::kResultShare,
                                     static_cast<std::uint32_t>(model_.architecture.layers.size() - 1), 0,
                                     result_share_bytes(output.share_bits, pre_activations_.size()));
    span.received(transport::kFrameHeaderBytes + share.payload.size());
    SecretVector<std::uint32_t> server(pre_activations_.size());
    lattice::unpack(share.payload, output.share_bits, std::span<std::uint32_t>(server));
    wipe(share.payload.data(), share.payload.size());
    span.sent(transport::kFrameHeaderBytes);
    channel_.send({message_type::kFinish, 0, number, {}});
    for (std::size_t i = 0; i < server.size(); ++i)
        result.x.push_back(reconstruct(pre_activations_[i], server[i], output.share_bits));
    result.logits = model::dequantise_output(model_.architecture, result.x);
}

}  // namespace flash::protocol
