#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <future>
#include <thread>
#include <utility>

namespace gradatim::test {

/// Runs body on a thread of its own and waits for it. If it has not ended by the limit, the test
/// fails and the thread is left behind: to wait for it would hang the tests. So body must not refer
/// to what its caller owns.
template <class Body>
void within(std::chrono::seconds limit, Body body) {
  std::promise<void> promise;
  std::future<void> end = promise.get_future();
  std::thread thread([body = std::move(body), promise = std::move(promise)]() mutable {
    try {
      body();
      promise.set_value();
    } catch (...) {
      promise.set_exception(std::current_exception());
    }
  });
  if (end.wait_for(limit) != std::future_status::ready) {
    thread.detach();
    FAIL() << "not done after " << limit.count() << " s: a thread waits for what never comes";
  }
  thread.join();
  end.get();
}

}  // namespace gradatim::test
