#include "protocol/client_inference.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

#include "base/tasks.h"
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
    /// Until the tasks that are under way are done. False: there were none.
    bool catch_up() {
        if (open_tasks_ == 0) return false;
        tasks_.wait();
        return true;
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
        ++open_tasks_;
        tasks_.run([this, task = std::move(task)] {
            try {
                task();
                --open_tasks_;
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
    std::atomic<std::size_t> open_tasks_ = 0;  // begun or waiting, and not failed
    std::mutex failure_mutex_;
    std::exception_ptr failure_;  // of a task, the first one
    TaskGroup tasks_;
};

ClientInference::ClientInference(const ClientModel& model, transport::Channel& channel, SecretSeed seed,
                                 ShareProbe* probe, Profile* profile, Ahead ahead)
    : model_(model),
      channel_(channel),
      seed_(std::move(seed)),
      probe_(probe),
      profile_(profile ? profile : &own_profile_),
      activation_(model.activation->client(seed_)),
      ahead_(ahead) {}

ClientInference::~ClientInference() = default;

ClientResult ClientInference::run(std::span<const std::int32_t> input, std::uint32_t number,
                                  const std::function<void(double)>& progress) {
    begin(input, number);
    while (stage_ != Stage::kDone) {
        const int before = layer_;
        receive();
        if (!progress || layer_ == before) continue;
        try {
            progress(static_cast<double>(layer_) / static_cast<double>(model_.architecture.layers.size()));
        } catch (...) {
            fail();
        }
    }
    return result();
}

void ClientInference::begin(std::span<const std::int32_t> input, std::uint32_t number) {
    require(input.size() == static_cast<std::size_t>(model_.architecture.input.size()), ErrorKind::kInvalidArgument,
            "the input has the wrong number of values");
    // All randomness comes from the seed: a second inference with it would use keys and masks again.
    require(!std::exchange(begun_, true), ErrorKind::kInternal, "an inference begins once");
    number_ = number;
    try {
        start(input);
    } catch (...) {
        fail();
    }
}

std::optional<ExpectedMessage> ClientInference::expected() const {
    const auto layer = static_cast<std::uint32_t>(layer_);
    switch (stage_) {
        case Stage::kStart:
            return ExpectedMessage{message_type::kStartReply, 0, number_, model_.activation->sizes().setup};
        case Stage::kLinear: {
            const model::Layer& description = model_.architecture.layers[layer];
            const packing::LinearPlan& linear = model_.plan.layers[layer];
            return ExpectedMessage{
                message_type::kLinearResponse, layer, index_,
                linear_response_bytes(linear.degree(), description.share_bits,
                                      packing::result_count(linear, description.output, static_cast<int>(index_)))};
        }
        case Stage::kVectors:
            return ExpectedMessage{message_type::kServerVectors, layer, index_, model_.activation->sizes().vectors};
        case Stage::kResult:
            return ExpectedMessage{
                message_type::kResultShare, layer - 1, 0,
                result_share_bytes(model_.architecture.layers.back().share_bits, pre_activations_.size())};
        case Stage::kDone: return std::nullopt;
    }
    return std::nullopt;
}

Step ClientInference::waiting_step() const {
    switch (stage_) {
        case Stage::kLinear: return step::kWaitLinear;
        case Stage::kVectors: return step::kWaitVectors;
        case Stage::kResult: return step::kFinish;
        default: return step::kSetup;
    }
}

int ClientInference::waiting_layer() const {
    return stage_ == Stage::kLinear || stage_ == Stage::kVectors ? layer_ : Profile::kNoLayer;
}

void ClientInference::receive() {
    try {
        const std::optional<ExpectedMessage> next = expected();
        require(next.has_value(), ErrorKind::kInternal, "nothing is expected after the end of an inference");
        Message message;
        {
            ProfileSpan span(profile_, waiting_layer(), waiting_step());
            message = receive_expected(channel_, next->type, next->layer, next->index, next->payload_bytes);
            span.received(transport::kFrameHeaderBytes + message.payload.size());
        }
        take(std::move(message));
    } catch (...) {
        fail();
    }
}

bool ClientInference::step() {
    if (ahead_ != Ahead::kSteps || stage_ == Stage::kDone) return false;
    try {
        // What the tasks send has to leave before this waits for what the server sends next.
        if (work_ && work_->catch_up()) return true;
        return (preparer_ && preparer_->step()) || (uploads_ && uploads_->step());
    } catch (...) {
        fail();
    }
}

ClientResult ClientInference::result() {
    require(stage_ == Stage::kDone, ErrorKind::kInternal, "the result of an inference that has not ended");
    result_.seconds = step_seconds(*profile_);
    return std::move(result_);
}

void ClientInference::fail() {
    try {
        try {
            throw;
        } catch (...) {
            if (const std::unique_ptr<LayerWork> work = std::move(work_)) work->abandon();
            throw;
        }
    } catch (const Error& error) {
        // What stopped a thread that runs ahead explains more than the closed channel that this thread was left with.
        // Any other error is the cause itself.
        std::exception_ptr cause;
        if (error.kind() == ErrorKind::kNetwork) {
            if (uploads_) cause = uploads_->failure();
            if (preparer_ && !cause) cause = preparer_->failure();
        }
        // The producer may be blocked in the channel, and is joined when this object goes.
        channel_.fail(failure_sentence(Party::kClient));
        if (cause) std::rethrow_exception(cause);
        throw;
    } catch (...) {
        channel_.fail(failure_sentence(Party::kClient));
        throw;
    }
}

void ClientInference::take(Message message) {
    switch (stage_) {
        case Stage::kStart:
            end_of_start(std::move(message));
            begin_layer();
            break;
        case Stage::kLinear:
            work_->decrypt(static_cast<int>(index_), std::move(message));
            if (static_cast<int>(++index_) == model_.plan.layers[layer_].polynomials()) begin_vectors();
            break;
        case Stage::kVectors:
            work_->vectors(index_, std::move(message));
            if (++index_ == work_->expected_vectors())
                end_layer();
            else
                work_->make_room_for_vectors();
            break;
        case Stage::kResult: finish(std::move(message)); break;
        case Stage::kDone: break;
    }
}

void ClientInference::start(std::span<const std::int32_t> input) {
    ProfileSpan span(profile_, Profile::kNoLayer, step::kSetup);
    Message message{message_type::kStart, 0, number_, {}};
    make_keys(message.payload);
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
    uploads_ = std::make_unique<UploadProducer>(model_, channel_, keys_, std::move(picture), probe_, profile_, ahead_);
}

void ClientInference::end_of_start(Message message) {
    ProfileSpan span(profile_, Profile::kNoLayer, step::kSetup);
    activation_->begin(message.payload);
    preparer_ = std::make_unique<AnswerPreparer>(*model_.activation, *activation_, channel_, profile_, ahead_);
}

void ClientInference::make_keys(std::vector<std::uint8_t>& payload) {
    // Fresh keys for every inference, each with a secret of its own: the public `a` polynomials of uploads are fixed
    // per model, so a key must never live longer.
    scheme::PublicPolynomials& publics = model_.publics->polynomials;
    scheme::PublicTransforms& transforms = model_.publics->transforms;
    PublicSeed seed{};
    if (model_.plan.has_levels()) {
        PublicSeed nonce;
        Prng(seed_, "client nonce").fill(nonce);
        payload.insert(payload.end(), nonce.begin(), nonce.end());
        seed = key_seed(model_.fingerprint, nonce, model_.session, number_);
    }
    for (const packing::KeyName& name : model_.plan.keys()) {
        const ClientKey& key = model_.plan.has_levels() ? keys_.make(name, publics, transforms, name, seed_, seed)
                                                        : keys_.make(name, publics, transforms, name, seed_);
        append_public_key(payload, key.secret.ring(), key.secret.public_b());
    }
}

void ClientInference::begin_layer() {
    const model::Layer& description = model_.architecture.layers[layer_];
    const auto values = static_cast<std::size_t>(description.output.size());
    pre_activations_ = SecretVector<std::uint32_t>(values);
    if (description.activation) share_ = SecretVector<std::uint32_t>(values);
    work_ = std::make_unique<LayerWork>(*this, layer_);
    stage_ = Stage::kLinear;
    index_ = 0;
}

void ClientInference::begin_vectors() {
    uploads_->answered(layer_);
    index_ = 0;
    stage_ = Stage::kVectors;
    if (work_->expected_vectors() == 0)
        end_layer();
    else
        work_->make_room_for_vectors();
}

void ClientInference::end_layer() {
    work_->wait();
    work_.reset();
    const bool last = layer_ + 1 == static_cast<int>(model_.architecture.layers.size());
    if (model_.architecture.layers[layer_].activation) uploads_->put_share(std::move(share_));
    if (probe_) probe_->pre_activation(layer_, pre_activations_);
    ++layer_;
    ++result_.round_trips;
    if (last) {
        stage_ = Stage::kResult;
        index_ = 0;
    } else {
        begin_layer();
    }
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

void ClientInference::finish(Message share) {
    ProfileSpan span(profile_, Profile::kNoLayer, step::kFinish);
    const model::Layer& output = model_.architecture.layers.back();
    SecretVector<std::uint32_t> server(pre_activations_.size());
    lattice::unpack(share.payload, output.share_bits, std::span<std::uint32_t>(server));
    wipe(share.payload.data(), share.payload.size());
    span.sent(transport::kFrameHeaderBytes);
    channel_.send({message_type::kFinish, 0, number_, {}});
    for (std::size_t i = 0; i < server.size(); ++i)
        result_.x.push_back(reconstruct(pre_activations_[i], server[i], output.share_bits));
    result_.logits = model::dequantise_output(model_.architecture, result_.x);
    stage_ = Stage::kDone;
}

}  // namespace flash::protocol
