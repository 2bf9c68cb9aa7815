// Makes a plan, group by group. Internal to packing.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "packing/plan.h"

namespace flash::packing {

struct GridBlocks;

class PlanBuilder {
public:
    /// Finds the streams and groups of a validated architecture, which must outlive this object. Errors as make_plan.
    explicit PlanBuilder(const model::Architecture& architecture);

    /// As layer_groups().
    const std::vector<std::vector<std::size_t>>& groups() const { return groups_; }
    /// Blocks that the polynomials of a ring have for the maps of a group. Error(kUnsupported) if a row does not fit in
    /// one.
    int blocks(const std::vector<std::size_t>& group, int degree) const;
    /// The streams that a group uploads.
    std::vector<int> streams_of(const std::vector<std::size_t>& group) const;
    /// The geometry of a group under a choice, and with it what of its streams and results follows without a look at
    /// single coefficients.
    Grid fix_grid(const std::vector<std::size_t>& group, const model::PackingChoice& choice);
    /// Plans a group, also again. Errors as make_plan.
    void plan_group(const std::vector<std::size_t>& group, const model::PackingChoice& choice);
    /// As far as groups are planned.
    const Plan& plan() const { return plan_; }
    Plan take() { return std::move(plan_); }
    /// Counts the polynomials and steps of the plan from zero again, against kMaxPolynomials and kMaxPlanSteps: for one
    /// who plans a group in many ways, each of which is the plan of its own network.
    void restart_counts() { polynomials_ = steps_ = 0; }

private:
    GridBlocks fit(const std::vector<std::size_t>& group, int degree) const;
    void plan_results(std::size_t layer, const Grid& grid);
    void mark_sent(const std::vector<std::size_t>& group, const std::vector<int>& streams);
    void add_polynomials(std::int64_t count, const std::string& layer);
    void spend(std::size_t steps, const std::string& layer);

    const model::Architecture& architecture_;
    Plan plan_;
    std::vector<int> depths_;  // of each layer's keys
    std::vector<std::vector<std::size_t>> groups_;
    std::int64_t polynomials_ = 0, steps_ = 0;
};

}  // namespace flash::packing
