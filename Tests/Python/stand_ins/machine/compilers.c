/* NVRTC and nvJitLink, whose results are texts that nobody runs. */
#include <stdlib.h>
#include <string.h>

typedef void *handle;
static const char text[] = "// compiled by a stand-in\n";

int nvrtcVersion(int *major, int *minor) { return *major = 13, *minor = 0, 0; }
int nvrtcCreateProgram(handle *made) { return *made = malloc(8), 0; }
int nvrtcCompileProgram(void) { return 0; }
int nvrtcDestroyProgram(handle *made) { return free(*made), 0; }
int nvrtcGetPTXSize(handle of, size_t *size) { return (void)of, *size = sizeof text, 0; }
int nvrtcGetPTX(handle of, char *to) { return (void)of, memcpy(to, text, sizeof text), 0; }
int nvrtcGetProgramLogSize(handle of, size_t *size) { return (void)of, *size = 0, 0; }
int nvrtcGetProgramLog(void) { return 0; }

int nvJitLinkCreate(handle *made) { return *made = malloc(8), 0; }
int nvJitLinkDestroy(handle *made) { return free(*made), 0; }
int nvJitLinkAddData(void) { return 0; }
int nvJitLinkComplete(void) { return 0; }
int nvJitLinkGetLinkedCubinSize(handle of, size_t *size) { return nvrtcGetPTXSize(of, size); }
int nvJitLinkGetLinkedCubin(handle of, char *to) { return nvrtcGetPTX(of, to); }
int nvJitLinkGetErrorLogSize(handle of, size_t *size) { return nvrtcGetProgramLogSize(of, size); }
int nvJitLinkGetErrorLog(void) { return 0; }
