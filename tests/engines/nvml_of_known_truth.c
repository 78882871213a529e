/* libnvidia-ml.so.1 with two GPUs of known figures, for the real nvidia-ml-py to bind to. Of GPU 1 the temperature
   is not supported; its power is what the environment says, in milliwatts. */
#include <stdlib.h>
#include <string.h>
#define OK 0
#define NOT_SUPPORTED 3
#define INVALID 2
typedef void *Device;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned int gpu, memory; } Utilization;
static int gpus[2] = {0, 1};
static int number(Device d) { return *(int *)d; }
int nvmlInitWithFlags(unsigned f) { (void)f; return OK; }
int nvmlInit_v2(void) { return OK; }
int nvmlShutdown(void) { return OK; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = getenv("NVML_NONE") ? 0 : 2; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, Device *d) { if (i > 1) return INVALID; *d = &gpus[i]; return OK; }
int nvmlDeviceGetPowerUsage(Device d, unsigned *mw) {
  const char *own = getenv("NVML_MILLIWATTS"); *mw = number(d) && own ? atoi(own) : 350500; return OK; }
int nvmlDeviceGetTotalEnergyConsumption(Device d, unsigned long long *mj) { *mj = 7000 + number(d); return OK; }
int nvmlDeviceGetUtilizationRates(Device d, Utilization *u) { (void)d; u->gpu = 97; u->memory = 41; return OK; }
int nvmlDeviceGetMemoryInfo(Device d, Memory *m) { (void)d; m->total = 141000000000ULL; m->used = 70000000000ULL;
  m->free = m->total - m->used; return OK; }
int nvmlDeviceGetClockInfo(Device d, int type, unsigned *mhz) { (void)d; *mhz = type == 2 ? 3201 : 1980; return OK; }
int nvmlDeviceGetTemperature(Device d, int sensor, unsigned *c) { (void)sensor; if (number(d)) return NOT_SUPPORTED;
  *c = 66; return OK; }
int nvmlDeviceGetCurrentClocksEventReasons(Device d, unsigned long long *r) { *r = number(d) ? 0x1 : 0x4 | 0x40; return OK; }
int nvmlDeviceGetName(Device d, char *name, unsigned n) { (void)d; strncpy(name, "NVIDIA H200", n); return OK; }
int nvmlDeviceGetEnforcedPowerLimit(Device d, unsigned *mw) { (void)d; *mw = 700000; return OK; }
int nvmlDeviceGetNvLinkState(Device d, unsigned link, unsigned *up) { (void)d; if (link >= 18) return INVALID; *up = 1; return OK; }
int nvmlDeviceGetTopologyCommonAncestor(Device a, Device b, int *level) { (void)a; (void)b; *level = 50; return OK; }
int nvmlSystemGetDriverVersion(char *v, unsigned n) { strncpy(v, "580.65.06", n); return OK; }
int nvmlSystemGetCudaDriverVersion(int *v) { *v = 13010; return OK; }
const char *nvmlErrorString(int r) { (void)r; return "error"; }
