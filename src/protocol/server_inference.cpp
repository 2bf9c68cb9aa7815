#include "protocol/server_inference.h"

#include <tbb/parallel_for.h>
#include <tbb/task_group.h>

#include <algorithm>
#include <exception>
#include <mutex>

#include "lattice/bitpack.h"
#include "lattice/words.h"
#include "protocol/flow/failure.h"
#include "protocol/flow/receive.h"
#include "protocol/flow/vector_sender.h"
#include "protocol/linear/result_mask.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"

namespace flash::protocol {

using transport::Message;

ServerInference::ServerInference(const PreparedModel& model, transport::Channel& channel, SecretSeed seed,
                                 ShareProbe* probe, Profile* profile, const PublicSeed& session)
    : model_(model),
      channel_(channel),
      seed_(std::move(seed)),
      probe_(probe),
      profile_(profile),
      masks_(seed_, kResultMaskDomain),
      rerandomisation_(seed_, "server re-randomisation"),
      session_(session),
      streams_(model.plan().streams.size()),
      values_(model.plan()) {}

ServerInference::~ServerInference() = default;

void ServerInference::run(const Message& start, const std::function<void()>& on_upload) {
    try {
        run_layers(start, on_upload);
    } catch (const Error& error) {
        // What stopped the producer explains more than the closed channel that this thread was left with; asked before
        // the channel is closed here, which would stop it too. Any other error is the cause itself.
        const std::exception_ptr cause =
            vectors_ && error.kind() == ErrorKind::kNetwork ? vectors_->failure() : nullptr;
        // The producer may be blocked in the channel, and is joined when this object goes.
        channel_.fail(failure_sentence(Party::kServer));
        if (cause) std::rethrow_exception(cause);
        throw;
    } catch (...) {
        channel_.fail(failure_sentence(Party::kServer));
        throw;
    }
}

void ServerInference::run_layers(const Message& start, const std::function<void()>& on_upload) {
    {
        ProfileSpan span(profile_, Profile::kNoLayer, step::kSetup);
        span.received(transport::kFrameHeaderBytes + start.payload.size());
        const std::size_t expected = start_bytes(model_.plan()) + model_.activation().sizes().start;
        if (start.payload.size() != expected)
            throw Error(ErrorKind::kProtocol, "start: expected " + std::to_string(expected) + " bytes, got " +
                                                  std::to_string(start.payload.size()));
        const packing::Stream& first =
            model_.plan().streams[static_cast<std::size_t>(model_.plan().layers.front().uploads.front())];
        first_upload_ = receive_expected(channel_, message_type::kUpload, 0, 0, upload_bytes(first));
        if (on_upload) on_upload();
        activation_ = model_.activation().server(model_.curves(), take_keys(start), seed_);
        Message message = make_message(message_type::kStartReply, 0, start.index, activation_->setup());
        span.sent(transport::kFrameHeaderBytes + message.payload.size());
        channel_.send(std::move(message));
        vectors_ = std::make_unique<VectorSender>(model_, channel_, masks_, *activation_, profile_);
    }
    // The server's share of the input is zero: the client holds the whole picture.
    values_.put(0, SecretVector<std::uint32_t>(static_cast<std::size_t>(model_.architecture().input.size())));
    const int layers = static_cast<int>(model_.architecture().layers.size());
    for (int l = 0; l < layers; ++l) {
        receive_uploads(l);
        linear(l);
        if (model_.architecture().layers[l].activation)
            activation(l);
        else
            result(l);
    }
    ProfileSpan span(profile_, Profile::kNoLayer, step::kFinish);
    receive_expected(channel_, message_type::kFinish, 0, start.index, 0);
    span.received(transport::kFrameHeaderBytes);
}

std::span<const std::uint8_t> ServerInference::take_keys(const Message& start) {
    const packing::Plan& plan = model_.plan();
    std::span<const std::uint8_t> rest = start.payload;
    PublicSeed seed{};
    if (plan.has_levels()) {
        PublicSeed nonce;
        std::ranges::copy(rest.first(nonce.size()), nonce.begin());
        seed = key_seed(model_.fingerprint(), nonce, session_, start.index);
        rest = rest.subspan(nonce.size());
    }
    for (const packing::KeyName& name : plan.keys()) {
        const scheme::DirectRing& ring = scheme::direct_ring(name.degree);
        scheme::Poly32 public_a(name.degree), public_b(name.degree);
        if (plan.has_levels())
            scheme::key_polynomial(seed, name.depth, public_a);
        else
            model_.publics().key(public_a);
        decode_public_key(rest.first(public_key_bytes(ring)), ring, public_b);
        client_keys_.make(name, ring, public_a, public_b);
        rest = rest.subspan(public_key_bytes(ring));
    }
    return rest;
}

void ServerInference::receive_uploads(int layer) {
    std::uint32_t index = 0;
    for (int id : model_.plan().layers[layer].uploads) {
        const packing::Stream& stream = model_.plan().streams[id];
        const std::size_t count = static_cast<std::size_t>(stream.polynomials()), n = stream.degree();
        std::vector<Message> messages;
        {
            ProfileSpan span(profile_, layer, step::kWaitUpload);
            for (std::size_t p = 0; p < count; ++p, ++index) {
                if (layer == 0 && index == 0)
                    messages.push_back(std::move(first_upload_));
                else
                    messages.push_back(receive_expected(channel_, message_type::kUpload,
                                                        static_cast<std::uint32_t>(layer), index,
                                                        upload_bytes(stream)));
                span.received(transport::kFrameHeaderBytes + messages.back().payload.size());
            }
        }
        ProfileSpan span(profile_, layer, step::kLinear);
        // Received ciphertext and server's share together: whoever finds both finds the share, so the sum is wiped like
        // one.
        SecretVector<std::uint32_t>& b = streams_[id];
        b = SecretVector<std::uint32_t>(count * n);
        SecretVector<std::uint32_t> scaled;
        const scheme::LevelledShare share = values_.stream_input(stream, model_.architecture(), scaled);
        tbb::parallel_for(tbb::blocked_range<std::size_t>(0, count, 4), [&](const auto& range) {
            SecretBuffer<std::uint32_t> plain(n);
            for (std::size_t p = range.begin(); p < range.end(); ++p) {
                const auto words = std::span<std::uint32_t>(b).subspan(p * n, n);
                decode_upload(messages[p].payload, stream, words);
                // The server's own share joins the plaintext part. Shares wrap mod T into multiples of q, which vanish.
                lattice::add(packing::pack(stream, static_cast<int>(p), share, plain).words, words);
                round_to_bytes(words, stream.zero_low_bytes());
            }
        });
    }
    values_.release_after(layer);
}

void ServerInference::linear(int layer) {
    const packing::LinearPlan& linear = model_.plan().layers[layer];
    const auto stream_of = [&](int id) { return std::span<const std::uint32_t>(streams_[id]); };
    pre_activations_ =
        SecretVector<std::uint32_t>(static_cast<std::size_t>(model_.architecture().layers[layer].output.size()));
    OrderedSender sender(channel_, send_thread_, static_cast<std::size_t>(linear.polynomials()), profile_, layer);
    for (int band = 0; band < linear.bands; ++band) {
        SecretVector<std::uint32_t> results(linear.result_words(band));
        {
            ProfileSpan span(profile_, layer, step::kLinear);
            packing::apply_results(model_.layer(layer).map, model_.plan(), layer, band, stream_of, results);
        }
        // Each response leaves as soon as it is masked.
        const std::size_t words = linear.tiles_of_band(band).words();
        tbb::parallel_for(0, linear.polynomials_per_band, [&](int p) {
            respond(layer, band * linear.polynomials_per_band + p,
                    std::span<const std::uint32_t>(results).subspan(static_cast<std::size_t>(p) * words, words),
                    sender);
        });
    }
    sender.finish();
    for (std::size_t id = 0; id < streams_.size(); ++id)
        if (model_.plan().streams[id].last_layer <= layer) streams_[id].wipe();
    if (probe_) probe_->pre_activation(layer, pre_activations_);
}

void ServerInference::respond(int layer, int polynomial, std::span<const std::uint32_t> compact,
                              OrderedSender& sender) {
    ProfileSpan span(profile_, layer, step::kMask);
    const auto at = static_cast<std::size_t>(layer);
    const model::Layer& description = model_.architecture().layers[at];
    const packing::LinearPlan& linear = model_.plan().layers[at];
    const std::size_t n = linear.degree();
    const std::vector<std::uint32_t>& bias = model_.layer(layer).scaled_bias;
    const std::size_t map =
        static_cast<std::size_t>(description.output.height) * static_cast<std::size_t>(description.output.width);
    const lattice::CoefficientTiles& tiles = linear.tiles_of_band(polynomial / linear.polynomials_per_band);

    // Results with their bias, in the order of the message, and a uniform mask for each.
    const auto runs = packing::result_runs(linear, description.output, polynomial);
    const auto positions = packing::result_positions(linear, description.output, polynomial);
    const std::size_t count = positions.size();
    SecretBuffer<std::uint32_t> b(count), rho(count);
    std::size_t next = 0;
    for (const packing::ResultRun& run : runs) {
        const std::uint32_t* from = compact.data() + tiles.compact(run.position);
        const std::uint32_t constant = bias[run.element / map];
        std::uint32_t* to = b.data() + next;
        for (std::uint32_t i = 0; i < run.count; ++i) to[i] = from[i] + constant;
        next += run.count;
    }
    result_mask(masks_, layer, polynomial, rho);
    // Fresh u and e1 make the a half an RLWE sample of the server's; rho, uniform and used once, hides the b half with
    // its noise. What the client sees is then independent of the weights, given its share.
    const auto prepared = std::span(model_.layer(layer).a).subspan(static_cast<std::size_t>(polynomial) * n, n);
    SecretBuffer<std::uint32_t> a(n);
    std::ranges::copy(prepared, a.begin());
    Prng rng = rerandomisation_.stream(static_cast<std::uint64_t>(layer), static_cast<std::uint64_t>(polynomial));
    client_keys_.at(linear.key()).mask(a, positions, b, rho, rng);
    store_server_shares(runs, rho, description.share_bits, pre_activations_);

    const int a_bits = response_a_bits(description.share_bits), b_bits = response_b_bits(description.share_bits);
    lattice::round_to_top_bits(a, a_bits);
    lattice::round_to_top_bits(b, b_bits);
    const std::size_t a_bytes = lattice::packed_bytes(n, a_bits);
    Message message{
        message_type::kLinearResponse, static_cast<std::uint32_t>(layer), static_cast<std::uint32_t>(polynomial), {}};
    message.payload.resize(linear_response_bytes(n, description.share_bits, count));
    lattice::pack(std::span<const std::uint32_t>(a), a_bits, std::span(message.payload).first(a_bytes));
    lattice::pack(std::span<const std::uint32_t>(b), b_bits, std::span(message.payload).subspan(a_bytes));
    sender.put(static_cast<std::size_t>(polynomial), std::move(message));
}

void ServerInference::activation(int layer) {
    SecretVector<std::uint32_t> share(pre_activations_.size());
    std::mutex failure_mutex;
    std::exception_ptr failure;  // of a task, the first one
    const auto finish_chunk = [&](std::size_t chunk, const Message& answer) {
        try {
            ProfileSpan span(profile_, layer, step::kDecrypt);
            activation_->finish(layer, chunk, answer.payload, pre_activations_, share);
        } catch (...) {
            {
                const std::lock_guard lock(failure_mutex);
                if (!failure) failure = std::current_exception();
            }
            // Wakes whoever waits for the next answer, which may never come.
            channel_.fail(failure_sentence(Party::kServer));
        }
    };
    // Each answer is decrypted while the next ones are still on their way.
    tbb::task_group tasks;
    try {
        for (std::size_t chunk = 0; chunk < model_.activation().chunks(layer); ++chunk) {
            Message response;
            {
                ProfileSpan span(profile_, layer, step::kWaitProduct);
                response = receive_expected(channel_, message_type::kProductResponse, static_cast<std::uint32_t>(layer),
                                            static_cast<std::uint32_t>(chunk), model_.activation().sizes().answer);
                span.received(transport::kFrameHeaderBytes + response.payload.size());
            }
            vectors_->answered(layer, chunk);
            tasks.run([&finish_chunk, chunk, response = std::move(response)] { finish_chunk(chunk, response); });
        }
    } catch (...) {
        tasks.cancel();
        tasks.wait();
        if (failure) std::rethrow_exception(failure);
        throw;
    }
    tasks.wait();
    if (failure) std::rethrow_exception(failure);
    if (probe_) probe_->value(layer + 1, share);
    values_.put(layer + 1, std::move(share));
}

void ServerInference::result(int layer) {
    ProfileSpan span(profile_, layer, step::kSend);
    const int bits = model_.architecture().layers[layer].share_bits;
    std::vector<std::uint8_t> payload(result_share_bytes(bits, pre_activations_.size()));
    lattice::pack(std::span<const std::uint32_t>(pre_activations_), bits, payload);
    span.sent(transport::kFrameHeaderBytes + payload.size());
    channel_.send({message_type::kResultShare, static_cast<std::uint32_t>(layer), 0, std::move(payload)});
}

}  // namespace flash::protocol
