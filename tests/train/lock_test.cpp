// Counts every mutex that this process locks: calls of pthread_mutex_lock from the program and its
// libraries end here. The sanitizers bring their own.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <mutex>
#include <vector>

#include "gradatim/nn/network.hpp"
#include "gradatim/nn/program.hpp"
#include "support/numbers.hpp"

#if !defined(GRADATIM_SANITIZED)

namespace {
std::atomic<std::size_t> locks = 0;
}

extern "C" int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  using Lock = int (*)(pthread_mutex_t*);
  static const Lock lock = reinterpret_cast<Lock>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  ++locks;
  return lock(mutex);
}

namespace gradatim {
namespace {

TEST(Locks, AreCountedAtAll) {
  const std::size_t before = locks;
  std::mutex mutex;
  const std::scoped_lock guard(mutex);
  EXPECT_GT(locks, before);
}

TEST(Locks, NoneInAPredictionOfOneSample) {
  const std::vector<Network> networks{
      {{784}, {Dense{50}, Sigmoid{}, Dense{10}}},
      {{784}, {Dense{512}, Relu{}, Dense{512}, Relu{}, Dense{10}}},
      {{1, 28, 28}, {Conv2d{30, 5}, Relu{}, MaxPool2d{}, Flatten{}, Dense{100}, Relu{}, Dense{10}}},
      {{1, 28, 28},
       {Conv2d{.filters = 8, .stride = 2, .padding = 1}, BatchNorm{}, Silu{}, Residual{2},
        AvgPool2d{}, Conv2d{.filters = 8, .groups = 8}, GlobalAvgPool{}, LayerNorm{}, Dense{10}}}};
  for (const Network& network : networks) {
    const Parameters parameters = initialize(network, 1);
    const Predictor predictor(network);
    const Tensor x = test::uniform_tensor(network.input.batched(1), 1);
    const ByteTensor bytes(network.input.batched(1));
    Tensor y({1, 10});
    const std::size_t before = locks;
    for (int i = 0; i < 10; ++i) {
      predictor.predict(parameters.theta(), x, y);
      predictor.predict(parameters.theta(), ByteInputs{bytes.view()}, y);
    }
    EXPECT_EQ(locks, before) << to_string(network);
  }
}

}  // namespace
}  // namespace gradatim

#endif  // !GRADATIM_SANITIZED
