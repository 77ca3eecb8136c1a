# run by emulator.py where the emulator's C sources are
%$(SUFFIX): %.c
	$(LDSHARED) $(CCSHARED) -O2 -I"$(INCLUDE)" $< -o $@.part
	mv $@.part $@
