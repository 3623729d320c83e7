# cmake -DREADME=... -DPROGRAM=... -P: fails unless README holds PROGRAM's text, whole.
file(READ ${README} readme)
file(READ ${PROGRAM} program)
string(FIND "${readme}" "${program}" position)
if(position EQUAL -1)
  message(FATAL_ERROR "${README} does not show ${PROGRAM} as it is")
endif()
