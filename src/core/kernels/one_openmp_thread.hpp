#pragma once

#include <omp.h>

namespace gradatim::kernels {

/// While it lives, OpenMP runs one thread for the calling thread: oneDNN's OpenMP build would start
/// a team of its own inside each of our tasks. The limit is per thread and given back, so a host
/// program's OpenMP is left as it was.
class OneOpenMpThread {
 public:
  OneOpenMpThread() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
  }
  ~OneOpenMpThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneOpenMpThread(const OneOpenMpThread&) = delete;
  OneOpenMpThread& operator=(const OneOpenMpThread&) = delete;

 private:
  int before_;
};

}  // namespace gradatim::kernels
