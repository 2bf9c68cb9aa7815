// The rings behind the composite scheme: slots mod T_1 ... T_k, ciphertexts mod q = P Delta, answers mod P D, all as
// residues (composite_parameters.h). A polynomial mod P is kept as its values: in transformed form, a plaintext mod T_i
// *is* its slots, and P divides q, so the slots are the residues of factors and shares mod the part P of q. Arrays have
// n entries, slots k n of them: those mod T_1, then those mod T_2, and so on; wrong sizes are Error(kInternal). Every
// function is constant time in the values and gives the same result for every instruction set.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "lattice/base_conversion.h"
#include "lattice/ntt.h"
#include "lattice/pointwise.h"
#include "scheme/composite_parameters.h"
#include "scheme/kernels/composite_kernels.h"

namespace flash::scheme {

class CompositeRing {
public:
    using Words = std::span<std::uint64_t>;
    using Residues = lattice::Residues;
    using Slots = std::span<const std::uint32_t>;

    /// One ring for each set of parameters and instruction set, kept while somebody uses it. Error(kInvalidArgument)
    /// unless the parameters are admissible.
    static std::shared_ptr<const CompositeRing> of(const CompositeParameters& parameters,
                                                   InstructionSet set = best_instruction_set());
    /// Outside the security table: small rings, and rooms that are too small.
    static std::shared_ptr<const CompositeRing> insecure_for_testing(const CompositeParameters& parameters,
                                                                     InstructionSet set = best_instruction_set());

    const CompositeParameters& parameters() const { return parameters_; }
    InstructionSet set() const { return set_; }
    std::size_t degree() const { return parameters_.degree; }
    std::size_t values() const { return degree() * moduli_.plain.size(); }
    const std::vector<std::uint32_t>& plain_moduli() const { return moduli_.plain; }

    /// A modulus with its transforms and arithmetic. Transforms run under the ring's instruction set.
    class Part {
    public:
        Part(std::size_t degree, const lattice::Modulus& modulus, InstructionSet set)
            : ntt_(degree, modulus),
              arithmetic_(modulus, set),
              set_(set) {}
        const lattice::Modulus& modulus() const { return ntt_.modulus(); }
        const lattice::Pointwise& arithmetic() const { return arithmetic_; }
        const lattice::kernels::WideModulus& wide() const { return arithmetic_.modulus(); }
        void forward(Words x) const { ntt_.forward(x, set_); }
        void forward_lazy(Words x) const { ntt_.forward_lazy(x, set_); }
        /// scale: made by scale().
        void inverse(Words x, const lattice::NttTables::Scale& scale) const { ntt_.inverse(x, scale, set_); }
        lattice::NttTables::Scale scale(std::uint64_t c) const { return ntt_.scale(c); }
        std::size_t packed_bytes() const;
        /// All residues or the next ones, a multiple of eight: whole bytes.
        void append_packed(Residues x, std::vector<std::uint8_t>& out) const;
        /// Takes residues, likewise, from the front of bytes, which has enough of them: Error(kProtocol) if one is not
        /// below the modulus.
        void take_packed(std::span<const std::uint8_t>& bytes, Words out) const;

    private:
        lattice::NttTables ntt_;
        lattice::Pointwise arithmetic_;
        InstructionSet set_;
    };
    /// The moduli of q: those of P (groups), then those of Delta.
    std::size_t parts() const { return parts_.size(); }
    std::size_t groups() const { return groups_.size(); }
    std::size_t deltas() const { return parts() - groups(); }
    const Part& part(std::size_t i) const { return parts_[i]; }
    const Part& delta(std::size_t j) const { return parts_[groups() + j]; }
    /// The moduli of D.
    std::size_t answers() const { return answers_.size(); }
    const Part& answer(std::size_t i) const { return answers_[i]; }
    std::size_t ciphertext_bytes() const;  ///< one half, or the public key
    std::size_t answer_bytes() const;

    /// Error(kInternal) unless there are k n slots, each below its T.
    void check_slots(Slots slots) const;

    // --- slots and group g of the moduli

    /// The slots mod group g from `first`, as many as out has room for, in transformed form: as they are and times
    /// Delta.
    void join(Slots slots, std::size_t g, std::size_t first, Words out) const {
        sum_slots(groups_[g].join, slots, g, first, out);
    }
    void message(Slots slots, std::size_t g, std::size_t first, Words out) const {
        sum_slots(groups_[g].message, slots, g, first, out);
    }
    /// The slots of a transformed polynomial mod group g.
    void split(Residues x, std::size_t g, std::span<std::uint32_t> slots) const;

    // --- a plaintext, from its residues mod the groups to those mod Delta

    /// The coefficients of a joined plaintext, times a constant.
    void plain_coefficients(std::size_t g, Words x) const { part(g).inverse(x, groups_[g].to_coefficients); }
    void plain_quotient(std::span<const Residues> coefficients, Words out) const { plain_.quotient(coefficients, out); }
    /// The centred plaintext mod the j-th modulus of Delta. x: coefficients for each group, and the quotient.
    void lift(std::span<const Residues> x, std::size_t j, Words out) const { deltas_[j].lift(x, out); }

    // --- the client's share: round(b/Delta) mod P

    void share_coefficients(std::size_t j, Words b) const { delta(j).inverse(b, deltas_[j].to_share); }
    void share_quotient(std::span<const Residues> coefficients, Words out) const { high_.quotient(coefficients, out); }
    /// The share's values mod group g, for b in transformed form. x: coefficients for each modulus of Delta, and the
    /// quotient. work: overwritten.
    void share(std::span<const Residues> x, std::size_t g, Residues b, Words work, Words out) const;

    // --- what is sent: round((a + e1) D/Delta) mod P D

    void sent_coefficients(std::size_t j, std::span<const std::int8_t> error, Words a) const;
    void sent_rest(std::span<const Residues> coefficients, Words out) const { sent_.rest(coefficients, out); }
    /// Mod group g in transformed form, for a in transformed form; mod the i-th modulus of D, coefficients. x:
    /// coefficients for each modulus of Delta, and the rest.
    void sent_to_group(std::span<const Residues> x, std::span<const std::int8_t> error, std::size_t g, Residues a,
                       Words work, Words out) const;
    void sent_to_answer(std::span<const Residues> x, std::size_t i, Words out) const { answer_rest_[i].sent(x, out); }

    // --- the server's share: round(S s / D) mod P

    /// 1/D mod group g.
    std::uint64_t inverse_of_d(std::size_t g) const { return groups_[g].inverse_of_d; }
    void received_coefficients(std::size_t i, Words x) const { answer(i).inverse(x, answer_rest_[i].to_share); }
    void received_quotient(std::span<const Residues> coefficients, Words out) const {
        low_.quotient(coefficients, out);
    }
    /// The share's values mod group g, for S mod group g and s/D with its quotients, all in transformed form. x:
    /// coefficients of S s for each modulus of D, and the quotient.
    void received_share(std::span<const Residues> x, std::size_t g, Residues sent, Residues s, Residues s_quotients,
                        Words work, Words out) const;

    const kernels::CompositeKernels& kernels() const { return kernels_; }

private:
    struct Group {
        std::size_t first, count;  ///< of the T_i
        lattice::LinearSum join, message;
        lattice::NttTables::Scale to_coefficients;
        lattice::LinearSum share_rest, sent_rest, received_rest;
        lattice::kernels::WideFactor share_factor, sent_factor;
        std::uint64_t inverse_of_d;
    };
    struct Delta {
        lattice::LinearSum lift;
        lattice::NttTables::Scale to_share, to_sent;
        lattice::kernels::WideFactor sent_factor;
    };
    struct Answer {
        lattice::LinearSum sent;
        lattice::NttTables::Scale to_share;
    };

    CompositeRing(const CompositeParameters& parameters, InstructionSet set);
    void sum_slots(const lattice::LinearSum& sum, Slots slots, std::size_t g, std::size_t first, Words out) const;
    void check(std::size_t size) const;

    CompositeParameters parameters_;
    InstructionSet set_;
    const kernels::CompositeKernels& kernels_;
    CompositeModuli moduli_;
    std::vector<Part> parts_, answers_;
    std::vector<lattice::kernels::WideModulus> plain_wide_;
    lattice::BaseConversion plain_, high_, low_;  ///< from the groups, from Delta, from D
    lattice::Rescaling sent_;
    std::vector<Group> groups_;
    std::vector<Delta> deltas_;
    std::vector<Answer> answer_rest_;
};

}  // namespace flash::scheme
