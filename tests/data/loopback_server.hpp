#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "data/files.hpp"

namespace gradatim {

/// What the server does when a path is asked for.
struct Resource {
  Bytes body;
  bool ranges = true;                                       // knows HTTP Range
  std::size_t send_at_most = static_cast<std::size_t>(-1);  // of the answer's body, then hang up
  bool stall = false;  // having sent that much, say no more but stay
};

/// An HTTP server on 127.0.0.1 that serves one request a connection and can misbehave as told.
class LoopbackServer {
 public:
  LoopbackServer();
  ~LoopbackServer();
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  /// "http://127.0.0.1:PORT/" + folder, the folder ending in '/' unless empty.
  std::string url(const std::string& folder = "") const;
  /// path without the leading '/'; what is not put is answered with 404.
  void put(const std::string& path, const Resource& resource);
  /// One entry a request: "t10k-images-idx3-ubyte.gz" or "a/train... bytes=100-".
  std::vector<std::string> requests() const;

 private:
  void run();
  void serve(int connection);
  void answer(int connection, const Resource& resource, std::size_t first);
  void hold(int connection) const;

  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::map<std::string, Resource> resources_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace gradatim
