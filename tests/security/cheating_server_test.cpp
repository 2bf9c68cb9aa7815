// Servers that cheat, against the unmodified client, with whatever well-formed or malformed messages can say: two
// pictures look alike to all of them. A control shows that randomness which is used again would be found.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "protocol/activation/composite/setup.h"
#include "protocol/linear/key_set.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "scheme/direct.h"
#include "support/played_server.h"
#include "support/random_model.h"
#include "support/statistics.h"

namespace flash {
namespace {

using flash::testing::Bytes;
using flash::testing::picture_of;
using flash::testing::PlayedRun;
using flash::testing::PlayedServer;
using protocol::ClientModel;
using transport::Message;
namespace message_type = protocol::message_type;

/// A network with both rings, a shortcut and values that are read at several depths.
const ClientModel& varied_model() {
    static const ClientModel known = [] {
        flash::testing::RandomModelOptions options;
        options.slots = {8192, 2};
        options.plain_bits = 24;
        options.share_bits = 9;
        options.layers = 3;
        for (std::uint64_t seed = 1;; ++seed) {
            const model::Architecture architecture = flash::testing::random_model(seed, options).architecture;
            const bool shortcut = std::ranges::any_of(architecture.layers, [](const model::Layer& layer) {
                return std::ranges::any_of(
                    layer.terms, [](const model::Term& term) { return term.kind == model::TermKind::kScale; });
            });
            if (shortcut && packing::make_plan(architecture).degrees().size() == 2)
                return ClientModel(architecture, Sha256{2});
        }
    }();
    return known;
}

/// A residue below a modulus, by the number of the half that it is in and its place there; a byte, by its place.
using Residue = std::function<std::uint64_t(std::uint64_t half, std::uint64_t modulus, std::size_t i)>;
using Byte = std::function<std::uint8_t(std::uint64_t place)>;
std::uint64_t mixed(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
/// Looks random, but is the same in every run.
std::uint64_t uniform(std::uint64_t half, std::uint64_t modulus, std::size_t i) {
    return mixed(mixed(half * 0x9e3779b97f4a7c15u + modulus) + i) % modulus;
}
std::uint8_t random_byte(std::uint64_t place) { return static_cast<std::uint8_t>(mixed(place + 0x123456789abcdefu)); }

/// Fills its messages with whatever is asked for.
class Filled : public PlayedServer {
public:
    explicit Filled(const ClientModel& known, Residue key = uniform, Residue vector = uniform,
                    Byte response = random_byte)
        : PlayedServer(known),
          key_(std::move(key)),
          vector_(std::move(vector)),
          response_(std::move(response)) {}
    Bytes setup(const Message&) override {
        return protocol::encode(protocol::CompositeSetup{PublicSeed{5}, half(key_)});
    }
    Bytes linear_response(int layer, int polynomial) override { return filled(response_bytes(layer, polynomial)); }
    Bytes vectors(int, std::size_t) override {
        Bytes out;
        for (int v = 0; v < 3; ++v) {
            const Bytes next = half(vector_);
            out.insert(out.end(), next.begin(), next.end());
        }
        return out;
    }
    Bytes result_share() override { return filled(PlayedServer::result_share().size()); }

private:
    Bytes half(const Residue& residue) {
        const std::uint64_t number = halves_++;
        return flash::testing::packed_half(ring(), [&](const lattice::Modulus& modulus, std::size_t i) {
            return residue(number, modulus.value(), i);
        });
    }
    Bytes filled(std::size_t size) {
        Bytes bytes(size);
        for (std::uint8_t& byte : bytes) byte = response_(bytes_++);
        return bytes;
    }
    const Residue key_, vector_;
    const Byte response_;
    std::uint64_t halves_ = 0, bytes_ = 0;
};

Byte constant(std::uint8_t value) {
    return [value](std::uint64_t) { return value; };
}

/// One cheat: what the server does, made anew for each run.
struct Cheat {
    std::string name;
    std::function<std::unique_ptr<PlayedServer>(const ClientModel&)> server;
    bool accepted = true;  ///< whether a client takes the messages
    bool in_time = true;   ///< or that depends on which thread is faster
};

using Rearrange = std::function<void(int, std::vector<Message>&)>;
class Rearranged : public Filled {
public:
    Rearranged(const ClientModel& known, Rearrange how) : Filled(known), how_(std::move(how)) {}
    void rearrange(int layer, std::vector<Message>& messages) override { how_(layer, messages); }

private:
    Rearrange how_;
};
class Early : public Filled {
public:
    explicit Early(const ClientModel& known) : Filled(known) {}
    bool ahead_of_everything() const override { return true; }
};
/// Vectors that the server never made for this place: the message of vectors is the same one for all.
class SameVectors : public Filled {
public:
    explicit SameVectors(const ClientModel& known) : Filled(known) {}
    Bytes vectors(int layer, std::size_t number) override {
        if (first_.empty()) first_ = Filled::vectors(layer, number);
        return first_;
    }

private:
    Bytes first_;
};
/// A linear response that is the public half of the next upload that there is, under whatever key.
class PublicHalves : public Filled {
public:
    explicit PublicHalves(const ClientModel& known) : Filled(known) {}
    Bytes linear_response(int layer, int polynomial) override {
        const std::size_t at = static_cast<std::size_t>(layer);
        const packing::LinearPlan& linear = known().plan.layers[at];
        std::vector<std::uint32_t> a(linear.degree());
        const std::size_t next = std::min(at + 1, known().plan.layers.size() - 1);
        known().publics->polynomials.upload({static_cast<std::uint32_t>(known().plan.layers[next].term_streams[0]), 0},
                                            a);
        return flash::testing::packed_response(known(), layer, polynomial, a,
                                               std::vector<std::uint32_t>(packing::result_count(
                                                   linear, known().architecture.layers[at].output, polynomial)));
    }
};

std::vector<Cheat> cheats() {
    const auto filled = [](Residue key, Residue vector, Byte response) {
        return [=](const ClientModel& known) { return std::make_unique<Filled>(known, key, vector, response); };
    };
    const auto rearranged = [](Rearrange how) {
        return [=](const ClientModel& known) { return std::make_unique<Rearranged>(known, how); };
    };
    const Residue zero = [](auto, auto, auto) { return 0u; };
    const Residue largest = [](auto, auto modulus, auto) { return modulus - 1; };
    const Residue one = [](auto, auto, auto) { return 1u; };
    const Residue monomial = [](auto, auto, auto i) { return i == 0 ? 1u : 0u; };
    const Residue halves = [](auto, auto modulus, auto i) { return modulus / 2 + i % 2; };
    const Residue too_large = [](auto, auto modulus, auto i) { return i == 4095 ? modulus : 0; };
    // Payloads that stay the same from run to run were made for another inference: stale ones.
    return {
        {"zeros", filled(zero, zero, constant(0))},
        {"a key of zeros, other vectors", filled(zero, uniform, random_byte)},
        {"the largest residues", filled(largest, largest, constant(255))},
        {"ones everywhere", filled(one, one, constant(1))},
        {"monomials", filled(monomial, monomial, constant(128))},
        {"halves of the moduli", filled(halves, halves, constant(127))},
        {"vectors that are the key", filled(one, one, random_byte)},
        {"stale messages", filled(uniform, uniform, random_byte)},
        {"vectors before responses", rearranged([](int, std::vector<Message>& messages) {
             std::ranges::stable_sort(messages, std::ranges::greater{}, [](const Message& m) { return m.type; });
         })},
        {"the same vectors again", [](const ClientModel& k) { return std::make_unique<SameVectors>(k); }},
        {"public halves of uploads as responses",
         [](const ClientModel& k) { return std::make_unique<PublicHalves>(k); }},
        // A client refuses answers to what it has not sent yet.
        {"everything at once", [](const ClientModel& k) { return std::make_unique<Early>(k); }, false, false},
        {"a response twice", rearranged([](int layer, std::vector<Message>& messages) {
             if (layer == 1) messages.insert(messages.begin(), messages.front());
         }),
         false},
        {"a response of the layer before", rearranged([](int layer, std::vector<Message>& messages) {
             if (layer == 1) messages.front().layer = 0;
         }),
         false},
        {"answers to the next layer first", rearranged([](int layer, std::vector<Message>& messages) {
             if (layer == 0)
                 for (Message& message : messages) message.layer = 1;
         }),
         false},
        {"vectors under another number", rearranged([](int, std::vector<Message>& messages) {
             for (Message& message : messages)
                 if (message.type == message_type::kServerVectors) ++message.index;
         }),
         false},
        {"a residue that is too large", filled(zero, too_large, constant(0)), false},
        {"a key that is too large", filled(too_large, zero, constant(0)), false},
        {"a response that is too short", rearranged([](int layer, std::vector<Message>& messages) {
             if (layer == 2) messages.front().payload.pop_back();
         }),
         false},
        {"vectors that are too long", rearranged([](int, std::vector<Message>& messages) {
             for (Message& message : messages)
                 if (message.type == message_type::kServerVectors) message.payload.push_back(0);
         }),
         false},
    };
}

/// Names and sizes of the client's messages, by type: within one their order is fixed.
using Shape = std::map<int, std::vector<std::array<std::size_t, 3>>>;
Shape shape_of(const PlayedRun& run) {
    Shape shape;
    for (const Message& message : run.sent)
        shape[static_cast<int>(message.type)].push_back({message.layer, message.index, message.payload.size()});
    return shape;
}
bool is_prefix(const Shape& begun, const Shape& whole) {
    return std::ranges::all_of(begun, [&](const auto& of_type) {
        if (of_type.first == static_cast<int>(message_type::MessageType{1})) return true;  // the report of an error
        const auto found = whole.find(of_type.first);
        return found != whole.end() && of_type.second.size() <= found->second.size() &&
               std::equal(of_type.second.begin(), of_type.second.end(), found->second.begin());
    });
}

/// Adds every integer that the client sent to the statistics of its kind.
void add(const ClientModel& known, const scheme::CompositeRing& ring, const PlayedRun& run,
         std::map<std::string, flash::testing::Uniformity>& parts) {
    for (const Message& message : run.sent) {
        if (message.type == message_type::kStart) {
            std::span<const std::uint8_t> rest(message.payload);
            for (const std::uint8_t byte : rest.first(32)) parts["nonces"].add(byte, 8);
            for (const std::uint8_t byte : rest.last(32)) parts["nonces"].add(byte, 8);
            rest = rest.subspan(32);
            for (const packing::KeyName& name : known.plan.keys()) {
                const scheme::DirectRing& direct = scheme::direct_ring(name.degree);
                std::vector<std::uint32_t> words(name.degree);
                const std::size_t bytes = protocol::public_key_bytes(direct);
                protocol::decode_public_key(rest.first(bytes), direct, words);
                for (const std::uint32_t word : words)
                    parts["keys"].add(word >> direct.low_bits(), direct.modulus_bits);
                rest = rest.subspan(bytes);
            }
        } else if (message.type == message_type::kUpload) {
            int index = static_cast<int>(message.index);
            for (const int id : known.plan.layers[message.layer].uploads) {
                const packing::Stream& stream = known.plan.streams[static_cast<std::size_t>(id)];
                if (index < stream.polynomials()) {
                    std::vector<std::uint32_t> words(stream.degree());
                    protocol::decode_upload(message.payload, stream, words);
                    for (const lattice::CoefficientRange& range : stream.sent)
                        for (std::uint32_t i = range.begin; i < range.end; ++i)
                            parts["uploads"].add(words[i] >> (32 - stream.upload_bits), stream.upload_bits);
                    break;
                }
                index -= stream.polynomials();
            }
        } else if (message.type == message_type::kProductResponse) {
            std::span<const std::uint8_t> rest(message.payload);
            AlignedVector<std::uint64_t> residues(ring.degree());
            const auto take = [&](const scheme::CompositeRing::Part& part) {
                part.take_packed(rest, residues);
                for (const std::uint64_t residue : residues)
                    parts["answers"].add_residue(residue, part.modulus().value());
            };
            for (std::size_t i = 0; i < ring.answers(); ++i) take(ring.answer(i));
            for (std::size_t g = 0; g < ring.groups(); ++g) take(ring.part(g));
            ASSERT_TRUE(rest.empty());
        }
    }
}

std::vector<std::vector<std::int32_t>> two_pictures(const ClientModel& known) {
    return {picture_of(known, 0), picture_of(known, known.architecture.input_limit)};
}

TEST(CheatingServer, TwoPicturesLookAlike) {
    const ClientModel& known = varied_model();
    const scheme::CompositeRing& ring = *protocol::CompositeActivation(known.architecture).ring();
    std::optional<Shape> whole;
    for (const Cheat& cheat : cheats()) {
        SCOPED_TRACE(cheat.name);
        std::set<std::string> errors;
        for (const std::vector<std::int32_t>& picture : two_pictures(known)) {
            std::map<std::string, flash::testing::Uniformity> parts;
            for (int run_number = 0; run_number < (cheat.accepted ? 4 : 2); ++run_number) {
                const PlayedRun run = flash::testing::play(*cheat.server(known), picture);
                EXPECT_EQ(run.error.empty(), run.result.has_value());
                if (cheat.in_time) {
                    EXPECT_EQ(run.error.empty(), cheat.accepted) << run.error;
                    errors.insert(run.error);
                }
                const Shape shape = shape_of(run);
                if (!whole) whole = shape;
                if (cheat.accepted)
                    EXPECT_EQ(shape, *whole);  // the same messages whatever the server does
                else
                    EXPECT_TRUE(is_prefix(shape, *whole));
                add(known, ring, run, parts);
            }
            if (cheat.accepted) {
                EXPECT_EQ(parts.size(), 4u);
                EXPECT_GT(parts["answers"].count(), 50'000u);
            }
            for (const auto& [name, part] : parts) EXPECT_LT(part.score(), flash::testing::kUniformScore) << name;
        }
        EXPECT_LE(errors.size(), 1u) << "an error depends on the picture";
    }
}

/// The control: what is drawn once and used in every run is not uniform.
TEST(CheatingServer, ControlRandomnessThatIsUsedAgainIsFound) {
    const ClientModel& known = varied_model();
    const scheme::CompositeRing& ring = *protocol::CompositeActivation(known.architecture).ring();
    std::map<std::string, flash::testing::Uniformity> parts;
    for (int run_number = 0; run_number < 4; ++run_number)
        add(known, ring, flash::testing::play(*cheats().front().server(known), picture_of(known, 0), 5), parts);
    for (const char* name : {"keys", "uploads", "answers"})
        EXPECT_GT(parts[name].score(), flash::testing::kUniformScore) << name;
}

/// With the client's randomness fixed, all that it sends is the same for two pictures, but for the uploads of the
/// picture itself: a cheating server's messages are its own choice, so nothing else reaches what the client answers.
TEST(CheatingServer, OnlyUploadsOfThePictureDependOnIt) {
    const ClientModel& known = varied_model();
    const auto reads_picture = [&](const Message& message) {
        int index = static_cast<int>(message.index);
        for (const int id : known.plan.layers[message.layer].uploads) {
            const packing::Stream& stream = known.plan.streams[static_cast<std::size_t>(id)];
            if (index < stream.polynomials()) return stream.source == 0;
            index -= stream.polynomials();
        }
        return false;
    };
    const auto by_name = [](const PlayedRun& run) {
        std::map<std::array<std::uint32_t, 3>, const Message*> messages;
        for (const Message& message : run.sent)
            messages[{static_cast<std::uint32_t>(message.type), message.layer, message.index}] = &message;
        return messages;
    };
    for (const Cheat& cheat : cheats()) {
        if (!cheat.accepted) continue;
        SCOPED_TRACE(cheat.name);
        const auto pictures = two_pictures(known);
        const PlayedRun first = flash::testing::play(*cheat.server(known), pictures[0], 11),
                        second = flash::testing::play(*cheat.server(known), pictures[1], 11);
        ASSERT_EQ(first.error + second.error, "");
        const auto one = by_name(first), other = by_name(second);
        ASSERT_EQ(one.size(), other.size());
        int uploads_of_picture = 0;
        for (const auto& [name, message] : one) {
            if (message->type == message_type::kUpload && reads_picture(*message)) {
                EXPECT_FALSE(message->payload == other.at(name)->payload);
                ++uploads_of_picture;
            } else {
                EXPECT_TRUE(message->payload == other.at(name)->payload) << protocol::name_of(message->type);
            }
        }
        EXPECT_GT(uploads_of_picture, 0);
    }
}

TEST(CheatingServer, AnArchitectureThatFeedsAValueBackIsRefused) {
    for (int layer = 0; layer < 2; ++layer) {
        model::Architecture architecture = varied_model().architecture;
        architecture.layers[static_cast<std::size_t>(layer)].terms[0].source = layer + 1;
        EXPECT_THROW(model::validate(architecture), Error);
    }
}

}  // namespace
}  // namespace flash
