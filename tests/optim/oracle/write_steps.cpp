// usage: write_steps FOLDER: some steps of every optimizer, for torch_oracle.py.
#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <string>
#include <type_traits>
#include <vector>

#include "gradatim/optim/optimizer.hpp"
#include "support/numbers.hpp"
#include "support/torch_cases.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kParameters = 37;
constexpr std::size_t kSteps = 10;

// A float as Python has to read it for the same value.
double exact(float x) { return static_cast<double>(x); }

template <class Rule>
std::string options_of(const Rule& rule) {
  std::string text = fmt::format(R"("learning_rate": {})", exact(rule.learning_rate));
  const auto add = [&](const char* name, float value) {
    text += fmt::format(R"(, "{}": {})", name, exact(value));
  };
  if constexpr (std::is_same_v<Rule, Momentum> || std::is_same_v<Rule, Nesterov>)
    add("momentum", rule.momentum);
  if constexpr (std::is_same_v<Rule, RmsProp>) add("decay", rule.decay);
  if constexpr (std::is_same_v<Rule, Adam> || std::is_same_v<Rule, AdamW>) {
    add("beta1", rule.beta1);
    add("beta2", rule.beta2);
  }
  if constexpr (!std::is_same_v<Rule, Sgd> && !std::is_same_v<Rule, Momentum> &&
                !std::is_same_v<Rule, Nesterov>)
    add("epsilon", rule.epsilon);
  if constexpr (std::is_same_v<Rule, AdamW>) add("weight_decay", rule.weight_decay);
  return text;
}

std::string options_of(const WeightDecay& decay) {
  float rate = 0;
  if (const auto* l2 = std::get_if<L2Decay>(&decay)) rate = l2->rate;
  if (const auto* decoupled = std::get_if<DecoupledDecay>(&decay)) rate = decoupled->rate;
  return fmt::format(R"("decay_kind": "{}", "decay_rate": {})", kind(decay), exact(rate));
}

template <class Rule>
void write(test::TorchCaseWriter& writer, const Rule& rule, const WeightDecay& decay,
           std::size_t decaying) {
  OptimizerState state({.optimizer = rule, .weight_decay = decay}, kParameters,
                       std::array{ParameterRange{0, decaying}});
  Tensor theta = test::uniform_tensor({kParameters}, 1);
  const Tensor gradients = test::uniform_tensor({kSteps, kParameters}, 2);
  Tensor steps(gradients.shape());
  TaskPool pool(1);
  writer.begin(
      "optimizer", kind(Optimizer(rule)),
      fmt::format(R"({}, {}, "decaying": {})", options_of(rule), options_of(decay), decaying));
  writer.tensor("start", theta);
  for (std::size_t step = 0; step < kSteps; ++step) {
    state.step(theta.values(), gradients.view().row(step), pool);
    std::ranges::copy(theta.values(), steps.view().row(step).begin());
  }
  writer.tensor("gradients", gradients);
  writer.tensor("steps", steps);
  writer.end();
}

// With rates at which the parameters move as far as they are large.
void write_all(const std::filesystem::path& folder) {
  test::TorchCaseWriter writer(folder);
  const auto each = [&](const auto& rule) {
    for (const WeightDecay& decay :
         {WeightDecay(NoDecay{}), WeightDecay(L2Decay{0.3F}), WeightDecay(DecoupledDecay{0.3F})})
      for (const std::size_t decaying : {kParameters, kParameters / 2})
        write(writer, rule, decay, decaying);
  };
  each(Sgd{0.1F});
  each(Momentum{0.1F, 0.9F});
  each(Momentum{0.05F, 0.5F});
  each(Nesterov{0.1F, 0.9F});
  each(AdaGrad{0.1F, 1e-3F});
  each(RmsProp{0.1F, 0.9F, 1e-3F});
  each(RmsProp{0.02F, 0.99F, 1e-7F});
  each(Adam{.learning_rate = 0.1F});
  each(Adam{0.1F, 0.8F, 0.95F, 1e-3F});
  each(AdamW{.learning_rate = 0.1F, .weight_decay = 0.2F});
}

}  // namespace
}  // namespace gradatim

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  gradatim::write_all(argv[1]);
  return 0;
}
