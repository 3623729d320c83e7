// The gradient of a network of one layer: x (2) times W (2, 3), softmax, cross-entropy.
#include <gradatim/gradatim.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

namespace gd = gradatim;

constexpr std::array kInput{0.6, 0.9};
constexpr std::size_t kLabel = 2;

/// Scores (3) of the input under weights w (2, 3), row-major.
template <class W>
auto scores(const W& w) {
  using S = std::remove_cvref_t<decltype(w[0])>;
  std::array<S, 3> y{};
  for (std::size_t j = 0; j < 3; ++j) y[j] = kInput[0] * w[j] + kInput[1] * w[3 + j];
  return y;
}

const auto loss = [](const auto& w) {
  using S = std::remove_cvref_t<decltype(w[0])>;
  const auto y = scores(w);
  return gd::reference::softmax_cross_entropy(std::span<const S>(y), kLabel);
};

/// By hand: dW = xᵀ (softmax(xW) - t).
std::vector<double> analytic(const std::vector<double>& w) {
  auto y = scores(w);
  gd::reference::softmax(std::span<const double>(scores(w)), std::span<double>(y));
  y[kLabel] -= 1;
  std::vector<double> d_w;
  for (const double x : kInput)
    for (const double d_score : y) d_w.push_back(x * d_score);
  return d_w;
}

void print(const char* name, const std::vector<double>& d_w) {
  std::printf("%-10s [[%.8f %.8f %.8f] [%.8f %.8f %.8f]]\n", name, d_w[0], d_w[1], d_w[2], d_w[3],
              d_w[4], d_w[5]);
}

int main() {
  std::vector<double> w{0.47355232, 0.9977393, 0.84668094, 0.85557411, 0.03563661, 0.69422093};
  const auto y = scores(w);
  std::printf("scores [%.8f %.8f %.8f], the largest is number %td\n", y[0], y[1], y[2],
              std::max_element(y.begin(), y.end()) - y.begin());
  std::printf("loss %.14f\n", loss(w));

  print("numerical", gd::gradient(loss, w, gd::Central{.step = 1e-4}).value);
  print("analytic", analytic(w));
  print("tape", gd::gradient(loss, w).value);

  // The course perturbs the weights of the network itself: the loss takes no argument.
  const auto loss_of_network = [&w](const std::vector<double>&) { return loss(w); };
  print("in place", gd::gradient(loss_of_network, w, gd::Central{.step = 1e-4}).value);
  std::printf("%s", gd::check_gradient(loss, analytic, w).to_string(0).c_str());
}
