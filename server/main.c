/* The entry: hands the command line to cli/. */
#include <stdio.h>

int main(void)
{
    return puts("gatehouse " GATEHOUSE_VERSION) < 0;
}
