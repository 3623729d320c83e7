// How far the numerical gradient of a network is from its derivative, step by step: change rules
// against evaluating the loss twice in float32. Draws differences.svg where it is run, or where its
// argument says; docs/derivations/differences.md shows the picture.
#include <gradatim/gradatim.hpp>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace gd = gradatim;

namespace {

constexpr std::size_t kSamples = 20;

double relative_distance(std::span<const float> a, std::span<const float> b) {
  double distance = 0;
  double norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    distance += difference * difference;
    norm += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(distance / norm);
}

// The loss evaluated twice a parameter, in float32, as the chapter's loop is printed.
std::vector<float> naive(const gd::Network& network, std::span<const float> start,
                         const gd::Batch& batch, float h) {
  gd::Program program(network, gd::SoftmaxCrossEntropy{}, kSamples);
  gd::TaskPool pool(1);
  std::vector<float> theta(start.begin(), start.end());
  std::vector<float> gradient;
  for (float& value : theta) {
    const float original = value;
    value = original + h;
    const auto above = static_cast<float>(program.loss(theta, batch, pool));
    value = original - h;
    const auto below = static_cast<float>(program.loss(theta, batch, pool));
    value = original;
    gradient.push_back((above - below) / (2 * h));
  }
  return gradient;
}

}  // namespace

int main(int argc, char** argv) {
  const gd::Network network(
      {30}, {gd::Dense{12, gd::Xavier{}}, gd::Sigmoid{}, gd::Dense{5, gd::Xavier{}}});
  const gd::Parameters parameters = gd::initialize(network, 1);
  gd::Tensor inputs({kSamples, 30});
  gd::fill_uniform(inputs.values(), {.seed = 2});
  std::vector<std::int32_t> labels(kSamples);
  for (std::size_t n = 0; n < kSamples; ++n) labels[n] = static_cast<std::int32_t>(n % 5);
  const gd::Batch batch{.inputs = inputs.view(), .targets = {.labels = labels}};

  gd::TaskPool pool(1);
  std::vector<float> derivative(parameters.theta().size());
  gd::make_gradient_program(gd::GradientMethod::tape, network, gd::SoftmaxCrossEntropy{}, kSamples)
      ->gradient(parameters.theta(), batch, derivative, pool);

  std::vector<gd::Series> lines{{.label = "central, loss evaluated twice", .x = {}, .y = {}},
                                {.label = "forward, change rules", .x = {}, .y = {}},
                                {.label = "central, change rules", .x = {}, .y = {}},
                                {.label = "Richardson, change rules", .x = {}, .y = {}}};
  std::printf("%8s %12s %12s %12s %12s\n", "step", "twice", "forward", "central", "richardson");
  for (int exponent = -24; exponent <= 2; ++exponent) {
    const auto h = static_cast<float>(std::pow(10.0, exponent / 4.0));
    const auto by_rules = [&](gd::Difference method) {
      const auto result = gd::numerical_gradient(network, parameters.theta(), batch,
                                                 {.method = method, .step = h, .threads = 1});
      return relative_distance(result.d_theta, derivative);
    };
    const double errors[] = {
        relative_distance(naive(network, parameters.theta(), batch, h), derivative),
        by_rules(gd::Difference::forward), by_rules(gd::Difference::central),
        by_rules(gd::Difference::richardson)};
    for (std::size_t i = 0; i < lines.size(); ++i) {
      lines[i].x.push_back(exponent / 4.0);
      lines[i].y.push_back(errors[i]);
      lines[i].color = static_cast<int>(i);
    }
    if (exponent % 4 == 0)
      std::printf("%8.0e %12.1e %12.1e %12.1e %12.1e\n", static_cast<double>(h), errors[0],
                  errors[1], errors[2], errors[3]);
  }
  const std::string file = argc > 1 ? argv[1] : "differences.svg";
  gd::draw({.title = "Numerical gradients of a 30-12-5 network in float32",
            .panels = {{.title = {},
                        .x_label = "log10 of the step h",
                        .y_label = "relative distance from the derivative",
                        .logarithmic_y = true,
                        .legend = gd::Legend::below,
                        .series = lines}}},
           std::vector<std::filesystem::path>{file});
}
