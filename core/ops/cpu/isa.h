/* Which instructions this processor has, beyond the x86-64-v3 that everything is built for. */
#ifndef SIM_CPU_ISA_H
#define SIM_CPU_ISA_H

int sim_cpu_has_v3(void);
/* SIM_ISA=avx2: nothing wider is to be used. */
int sim_cpu_kept_narrow(void);
/* x86-64-v4 (AVX-512), unless it is not to be used. */
int sim_cpu_has_v4(void);

#endif
