// Which shapes the data has, and ten samples of sixty thousand at random.
#include <gradatim/gradatim.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

namespace gd = gradatim;

/// The mean over the rows of -log y[label], for y (n, classes).
double cross_entropy(const gd::Tensor& y, const std::vector<std::int32_t>& labels) {
  double sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i)
    sum -= std::log(static_cast<double>(y.view()(i, static_cast<std::size_t>(labels[i]))) + 1e-7);
  return sum / static_cast<double>(labels.size());
}

int main() {
  const gd::Dataset data = gd::load_dataset("fashion-mnist");
  const gd::Tensor images = gd::normalize(data.train.images.view());
  const gd::Tensor targets = gd::one_hot(data.train.labels, data.class_names.size());
  std::printf("inputs  %s\n", gd::flatten(images).shape().to_string().c_str());
  std::printf("targets %s\n", targets.shape().to_string().c_str());

  std::vector<std::uint32_t> chosen(10);
  gd::choice(chosen, 60'000, {.seed = 1});
  std::printf("ten at random:");
  for (const std::uint32_t i : chosen) std::printf(" %u", i);
  std::printf("\n");

  gd::Tensor batch({10, 784});
  std::vector<std::int32_t> labels(10);
  gd::gather(data.train, chosen, batch, labels);
  std::printf("batch   %s\n", batch.shape().to_string().c_str());

  gd::Tensor undecided({10, 10});
  for (float& p : undecided.values()) p = 0.1F;
  std::printf("cross-entropy of guessing 0.1 everywhere: %.6f = log 10\n",
              cross_entropy(undecided, labels));
}
