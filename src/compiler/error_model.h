// The error of quantisation, predicted from statistics of the float network for any T and any m of each layer.
//
// With R_o the range of channel o of layer l, X has pos = 2^(m-2) - 3.5 positions for it: delta_o = R_o / pos. Power of
// the error of x_o:
//   rounding of X    delta_o^2 / 6: floor or ceiling at random, the fraction uniform
//   int8 weights     sum over the weights w_ock of  (unit_o g)^2 / 12 * Var(Y_c),  unit_o = 4 R_o / T, g the term's
//   multiplier.
//                    Y_c = y_c / (a_c delta_c^2), so it grows as 16^m of the source's m; g shrinks as 4^-m until it
//                    is 1.
// Of a layer of sines R_o is a quarter of the period of channel o, pos = 2^(m-2), and Y_c = y_c S^2 / amplitude_c; and
// the rounding of the four factors leaves an error of y_c of the power amplitude_c^2 / (6 S^2). Derivatives of the
// float network say what an error of x_o is worth at the logits (compiler/sensitivity.h). The rounding of X is
// independent from place to place. That of a weight acts wherever its operand is not zero: on what an image's
// activations have in common, which pooling does not average out, and on what varies slowly over the map. Errors are
// taken to be independent of each other and of the values that they act on: the sum of all is the predicted error of
// the logits. The rounding of pixels is left out, it is small. T is T_1: the weights on channels whose prime is smaller
// are smaller by as much, so that their part of the error is larger by a tenth of a dB for each per cent.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/calibrate.h"
#include "compiler/margin.h"
#include "compiler/network.h"
#include "compiler/scales.h"
#include "compiler/sensitivity.h"

namespace flash::compiler {

class ErrorModel {
public:
    /// worth: sensitivity(). pixel_bound: no normalised pixel is larger. slots: in which the k moduli are.
    ErrorModel(const Network& network, const Calibration& calibration, const std::vector<std::vector<Worth>>& worth,
               const std::vector<LayerRange>& ranges, double pixel_bound, const model::SlotChoice& slots);

    /// Power of the error of the logits (common to all classes: not counted), summed over the classes.
    double error(const Precision& precision) const;
    /// The parts of it that come from the rounding of X and of the weights of each layer; the rounding of pixels counts
    /// for none.
    std::vector<double> layer_errors(const Precision& precision) const;
    /// Signal to quantisation noise of the logits in dB.
    double snr_db(double error) const;
    double error_of(double snr_db) const;

    /// By how much a choice cannot be: the sum over its broken bounds of how far they are missed, in bits. 0: it should
    /// fit.
    double misfit(const Precision& precision) const;
    /// What decides the upload bits of the layers' sources: sum of the squares of the integers that multiply
    /// ciphertexts.
    double weight_energy(const Precision& precision, std::size_t layer) const;
    std::size_t layers() const { return layers_.size(); }
    bool periodic(std::size_t layer) const { return layers_[layer].periodic; }
    /// Value ids that a layer reads.
    std::vector<int> sources(std::size_t layer) const;

private:
    struct Term {
        int source = 0;
        bool scale = false;   // one wide integer per channel
        double peak = 0;      // largest |w| a_c R_c^2 / R_o
        double energy = 0;    // largest sum over an output's weights of the square of that
        double weights = 0;   // per output
        double rounding = 0;  // sum over all weights of what their unit errors are worth for Y of one position
    };
    struct Layer {
        bool activation = true, periodic = false;
        double rounding = 0;  // sum over the channels of worth_o R_o^2 / 6
        double factors = 0;   // sum over the channels of what an error of y_o is worth times amplitude_o^2 / 6
        double kappa = 0;     // largest |b / (a R)|
        double offset = 0;    // largest |c / (a R^2)|, or |constant / amplitude|
        std::vector<Term> terms;
    };
    /// W of a weight whose part that depends on no choice is one.
    double weight_scale(const Precision& precision, std::size_t layer, const Term& term) const;
    double multiplier(double scale, const Term& term) const;
    double input_scale(const Precision& precision) const;
    /// T_1, which stands for all, and the smallest, which bounds what must fit every one.
    double modulus(const Precision& precision) const;
    double least_modulus(const Precision& precision) const;

    std::vector<Layer> layers_;
    model::SlotChoice slots_;
    double signal_ = 0, pixel_bound_ = 0;
};

}  // namespace flash::compiler
