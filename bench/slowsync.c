/* A disk that takes 5 ms for every sync, one at a time: 200 syncs/s. Preloaded into the server that is measured.
 * The real sync happens as well, so what is durable without this is durable with it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <time.h>

static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER;

static int slow(const char *name, int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  struct timespec five_ms = {0, 5000000};
  pthread_mutex_lock(&disk);
  nanosleep(&five_ms, 0);
  int result = real(fd);
  pthread_mutex_unlock(&disk);
  return result;
}

int fsync(int fd) { return slow("fsync", fd); }
int fdatasync(int fd) { return slow("fdatasync", fd); }
